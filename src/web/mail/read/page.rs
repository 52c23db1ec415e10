//! The page of one message.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use maud::{Markup, html};

use super::{BLOCKS_MAX, Chosen, Read, Way, choose, format_of, shown_texts};
use crate::mail::date::DateTime;
use crate::mail::flags::SystemFlags;
use crate::mail::mime::view::{Block, Leaf, View, view, written};
use crate::mail::mime::{Envelope, EnvelopeAddress, Part};
use crate::web::layout::Frame;
use crate::web::mail::deeds::{self, Bar, Of};
use crate::web::mail::shell::Shell;
use crate::web::mail::thread::Turn;
use crate::web::mail::{attachment, folders, people, text, verdict};
use crate::web::parts::{Tone, notice};
use crate::web::words::Lang;

/// Recipients that are shown at once; the others are folded.
const RECIPIENTS_SHOWN: usize = 5;

/// Recipients that are shown at all.
const RECIPIENTS_MAX: usize = 200;

/// Conversations of more messages are folded.
const TURNS_OPEN_MAX: usize = 5;

/// Where other messages of a conversation stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// The page under way.
pub(super) struct Page<'a> {
    pub(super) frame: &'a Frame,
    pub(super) shell: &'a Shell,
    pub(super) zone: &'a TimeZone,
    pub(super) read: &'a Read,
    pub(super) way: Way,
    pub(super) remote: bool,
}

impl Page<'_> {
    fn lang(&self) -> Lang {
        self.frame.lang
    }

    fn path(&self) -> String {
        format!("/mail/message/{}", self.read.opened.row.serial)
    }

    pub(super) fn render(&self) -> Markup {
        let opened = &self.read.opened;
        let view = view(&opened.summary);
        let verdict = verdict::of(&opened.record.prefix);
        html! {
            (self.back())
            (self.deeds())
            (verdict.warning(self.lang()))
            (self.turns(Side::Before))
            article.card.message aria-label=(self.frame.t("E-Mail", "Message")) {
                (self.head(&opened.summary.envelope, &verdict.badge(self.lang())))
                (self.ways(&view))
                (self.remote_notice())
                (self.blocks(&view))
                (self.files(&view))
            }
            (self.turns(Side::After))
            (self.more())
        }
    }

    fn deeds(&self) -> Markup {
        let opened = &self.read.opened;
        let (serial, flags) = (opened.row.serial, opened.row.flags.system);
        let mailboxes = self.shell.mailboxes();
        let away = format!("/mail/box/{}", opened.mailbox.id);
        let bar = Bar {
            mailbox: &opened.mailbox,
            mailboxes: &mailboxes,
            of: Of::One(serial, flags),
            here: self.shell.path(),
            away: &away,
        };
        html! {
            div.message-deeds {
                @if flags.contains(SystemFlags::DRAFT) {
                    a.button href={ "/mail/compose?draft=" (serial) } { (self.frame.t("Weiterschreiben", "Go on writing")) }
                } @else {
                    a.button href={ "/mail/compose?reply=" (serial) } data-key="r" { (self.frame.t("Antworten", "Reply")) }
                    a.button.second href={ "/mail/compose?all=" (serial) } data-key="a" { (self.frame.t("Allen antworten", "Reply to all")) }
                    a.button.second href={ "/mail/compose?forward=" (serial) } data-key="f" { (self.frame.t("Weiterleiten", "Forward")) }
                }
                (deeds::form(self.frame, &bar))
            }
        }
    }

    /// The other messages of the conversation that are older, or newer.
    fn turns(&self, side: Side) -> Markup {
        let current = self.read.opened.row.serial;
        let at = self
            .read
            .turns
            .iter()
            .position(|turn| turn.serial == current);
        let (before, after) = self.read.turns.split_at(at.unwrap_or_default());
        let (turns, label) = match side {
            Side::Before => (
                before,
                self.frame
                    .t("Früher im Gespräch", "Earlier in this conversation"),
            ),
            Side::After => (
                after.get(1..).unwrap_or_default(),
                self.frame
                    .t("Später im Gespräch", "Later in this conversation"),
            ),
        };
        html! {
            @if !turns.is_empty() {
                section.card.turns {
                    details open[turns.len() <= TURNS_OPEN_MAX] {
                        summary { (label) " (" (turns.len()) ")" }
                        ul.plain { @for turn in turns { (self.turn(turn)) } }
                    }
                }
            }
        }
    }

    fn turn(&self, turn: &Turn) -> Markup {
        html! {
            li .unread[turn.is_unread] {
                a href={ "/mail/message/" (turn.serial) } {
                    @if turn.is_unread { span.visually-hidden { (self.frame.t("Ungelesen: ", "Unread: ")) } }
                    strong { (turn.who) } " " (turn.subject)
                }
                " " span.soft { (self.lang().moment(turn.date, self.zone)) ", " (turn.lies_in) }
            }
        }
    }

    fn back(&self) -> Markup {
        let mailbox = &self.read.opened.mailbox;
        html! {
            p.message-back {
                a href={ "/mail/box/" (mailbox.id) } { "← " (folders::label(mailbox, self.lang())) }
            }
        }
    }

    fn head(&self, envelope: &Envelope, badge: &Markup) -> Markup {
        html! {
            header.message-head {
                dl.facts {
                    dt { (self.frame.t("Von", "From")) }
                    dd { (self.people(&envelope.from)) " " (badge) }
                    @if envelope.reply_to != envelope.from {
                        dt { (self.frame.t("Antwort an", "Reply to")) }
                        dd { (self.people(&envelope.reply_to)) }
                    }
                    @for (label, list) in self.recipients(envelope) {
                        dt { (label) }
                        dd { (self.people(list)) }
                    }
                    dt { (self.frame.t("Datum", "Date")) }
                    dd { (self.date(envelope)) }
                }
            }
        }
    }

    fn recipients<'e>(&self, envelope: &'e Envelope) -> Vec<(&'static str, &'e [EnvelopeAddress])> {
        let lang = self.lang();
        let all: [(&'static str, &'e [EnvelopeAddress]); 3] = [
            (lang.t("An", "To"), &envelope.to),
            (lang.t("Kopie", "Cc"), &envelope.cc),
            (lang.t("Blindkopie", "Bcc"), &envelope.bcc),
        ];
        all.into_iter()
            .filter(|(_, list)| !list.is_empty())
            .collect()
    }

    fn people(&self, list: &[EnvelopeAddress]) -> Markup {
        let all: Vec<&EnvelopeAddress> = people::real(list).take(RECIPIENTS_MAX).collect();
        let (shown, folded) = all.split_at(all.len().min(RECIPIENTS_SHOWN));
        html! {
            @if all.is_empty() { span.soft { (self.frame.t("(niemand genannt)", "(nobody named)")) } }
            (one_after_another(shown))
            @if !folded.is_empty() {
                details {
                    summary { (self.frame.t("und weitere", "and others")) " (" (folded.len()) ")" }
                    (one_after_another(folded))
                }
            }
        }
    }

    /// The date that is written, in the box's zone, and as its sender's clock showed it if that is another one.
    fn date(&self, envelope: &Envelope) -> Markup {
        let written = envelope.date.as_deref().and_then(DateTime::parse_lenient);
        let lang = self.lang();
        let Some(written) = written else {
            let came = self.read.opened.record.internal_date;
            return html! {
                (lang.moment(came, self.zone)) " "
                span.soft { (self.frame.t("(angekommen; die E-Mail nennt kein Datum)", "(arrival; the mail names no date)")) }
            };
        };
        let theirs = Offset::from_seconds(i32::from(written.offset_minutes) * 60);
        let theirs = theirs.unwrap_or(Offset::UTC);
        let ours = Timestamp::from_second(written.wall.0)
            .map_or(Offset::UTC, |stamp| self.zone.to_offset(stamp));
        html! {
            (lang.moment(written.wall, self.zone)) " " span.soft { "(UTC" (offset_text(ours)) ")" }
            @if theirs != ours {
                span.soft {
                    ", " (self.frame.t("beim Absender", "at the sender's")) " "
                    (lang.moment(written.wall, &theirs.to_time_zone())) " (UTC" (offset_text(theirs)) ")"
                }
            }
        }
    }

    /// The choice between text and HTML, where there is one.
    fn ways(&self, view: &View<'_>) -> Markup {
        let texts = shown_texts(view);
        let has_both = texts
            .iter()
            .any(|(plain, html)| plain.is_some() && html.is_some());
        let (other, label) = match self.way {
            Way::Html => (
                Way::Text,
                self.frame.t("Als reinen Text zeigen", "Show as plain text"),
            ),
            Way::Text => (
                Way::Html,
                self.frame.t("Gestaltet zeigen", "Show with its design"),
            ),
        };
        html! {
            @if has_both { p.message-way { a href={ (self.path()) "?as=" (other.name()) } { (label) } } }
        }
    }

    fn remote_notice(&self) -> Markup {
        if !self.read.has_remote {
            return html! {};
        }
        if self.remote {
            let text = self.frame.t(
                "Bilder von außen werden geladen. Der Absender kann sehen, dass und wann Sie die E-Mail lesen.",
                "Images from outside are loaded. The sender can see that and when you read this mail.",
            );
            return notice(Tone::Warn, text, None);
        }
        let text = self.frame.t(
            "Bilder von außen sind nicht geladen. Wenn Sie sie laden, erfährt der Absender, dass und wann Sie die E-Mail lesen.",
            "Images from outside are not loaded. If you load them, the sender learns that and when you read this mail.",
        );
        let action = html! {
            a.button.second href={ (self.path()) "?remote=1" } { (self.frame.t("Bilder laden", "Load images")) }
        };
        notice(Tone::Info, text, Some(&action))
    }

    fn blocks(&self, view: &View<'_>) -> Markup {
        html! {
            @if view.blocks.is_empty() {
                p.soft { (self.frame.t("Diese E-Mail enthält keinen Text.", "This mail has no text.")) }
            }
            @for block in view.blocks.iter().take(BLOCKS_MAX) {
                @match block {
                    Block::Text { plain, html } => (self.text(plain.as_ref(), html.as_ref())),
                    Block::Message { numbers, part, view, summary } => {
                        (self.nested(numbers, part, &summary.envelope, view))
                    }
                }
            }
        }
    }

    fn text(&self, plain: Option<&Leaf<'_>>, html: Option<&Leaf<'_>>) -> Markup {
        match choose(plain, html, self.way) {
            Some(Chosen::Html(leaf)) => self.framed(leaf),
            Some(Chosen::Plain(leaf)) => self.plain(leaf),
            None => html! {},
        }
    }

    fn framed(&self, leaf: &Leaf<'_>) -> Markup {
        let remote = if self.remote { "&remote=1" } else { "" };
        let src = format!("{}/html?part={}{remote}", self.path(), leaf.number());
        html! {
            iframe.mail-html sandbox="allow-popups allow-popups-to-escape-sandbox" src=(src)
                referrerpolicy="no-referrer" title=(self.frame.t("Inhalt der E-Mail", "Content of the mail")) {}
        }
    }

    fn plain(&self, leaf: &Leaf<'_>) -> Markup {
        let mut texts = self.read.texts.iter();
        let Some((_, text, is_all)) = texts.find(|(numbers, ..)| *numbers == leaf.numbers) else {
            return html! {};
        };
        html! {
            (text::render(text, format_of(leaf.part), self.lang()))
            @if !is_all {
                p {
                    (self.frame.t("Der Text ist noch länger. ", "The text goes on. "))
                    a href={ (self.path()) "/part/" (leaf.number()) } { (self.frame.t("Ganz herunterladen", "Download all of it")) }
                }
            }
        }
    }

    fn nested(&self, numbers: &[u32], part: &Part, envelope: &Envelope, view: &View<'_>) -> Markup {
        let subject = people::subject(envelope, self.lang());
        html! {
            section.card.nested {
                h2 { (self.frame.t("Angehängte E-Mail", "Attached message")) ": " (subject) }
                (self.head(envelope, &html! {}))
                (self.blocks(view))
                (self.files(view))
                p {
                    a href={ (self.path()) "/part/" (written(numbers)) } download {
                        (self.frame.t("Als Datei herunterladen", "Download as a file"))
                        " (" (self.lang().amount(part.octets())) ")"
                    }
                }
            }
        }
    }

    fn files(&self, view: &View<'_>) -> Markup {
        html! {
            @if !view.files.is_empty() {
                section.files {
                    h2 { (self.frame.t("Anhänge", "Attachments")) " (" (view.files.len()) ")" }
                    (self.file_list(&view.files))
                }
            }
            @if !view.embedded.is_empty() {
                details {
                    summary { (self.frame.t("Bilder im Text", "Images in the text")) " (" (view.embedded.len()) ")" }
                    (self.file_list(&view.embedded))
                }
            }
        }
    }

    fn file_list(&self, files: &[Leaf<'_>]) -> Markup {
        html! {
            ul.plain {
                @for leaf in files {
                    @let path = format!("{}/part/{}", self.path(), leaf.number());
                    li.spread {
                        span {
                            a href=(path) download { (attachment::name(leaf, self.lang())) }
                            " " span.soft { (attachment::kind(leaf.part, self.lang())) ", " (self.lang().amount(attachment::size(leaf.part))) }
                        }
                        @if attachment::is_picture(leaf.part) {
                            a href={ (path) "?inline" } target="_blank" rel="noreferrer noopener" { (self.frame.t("Ansehen", "View")) }
                        }
                    }
                }
            }
        }
    }

    fn more(&self) -> Markup {
        html! {
            details {
                summary { (self.frame.t("Technisches", "Technical details")) }
                ul {
                    li { a href={ (self.path()) "/source" } { (self.frame.t("Quelltext ansehen", "View source")) } }
                    li { a href={ (self.path()) "/source?save" } download { (self.frame.t("Als Datei speichern", "Save as a file")) } }
                }
            }
        }
    }
}

fn one_after_another(list: &[&EnvelopeAddress]) -> Markup {
    html! {
        @for (at, address) in list.iter().enumerate() {
            @if at > 0 { ", " }
            @let plain = people::address(address);
            @let name = people::short(address);
            @if name == plain { (plain) }
            @else { strong { (name) } " " span.soft { "<" (plain) ">" } }
        }
    }
}

/// Such as +01:00.
fn offset_text(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}
