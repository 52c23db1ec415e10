//! A domain's card: whether all is well, one instruction for each thing that is not, and the records to copy.

use maud::{Markup, html};

use super::checks::Found;
use crate::store::types::Language;
use crate::trust::publish::{self, Data, Facts, Finding, Need, Record, State};
use crate::web::Web;
use crate::web::layout::Frame;
use crate::web::parts::{Tone, badge};

/// The card of one domain; `number` keeps its ids apart from those of others.
pub(super) struct Part<'a> {
    pub(super) frame: &'a Frame,
    pub(super) web: &'a Web,
    pub(super) facts: &'a Facts,
    pub(super) number: usize,
}

impl Part<'_> {
    pub(super) fn card(&self) -> Markup {
        let found = self.web.sources.kept.checks.of(&self.facts.domain);
        let records = publish::records(self.facts);
        let of_need = |need| {
            let records = records.iter().enumerate();
            records
                .filter(move |(_, record)| record.need == need)
                .collect::<Vec<_>>()
        };
        let t = |de, en| self.frame.t(de, en);
        html! {
            section.card {
                div.spread { h2 { (self.facts.domain) } (self.verdict(found.as_ref())) }
                (self.last_look(found.as_ref()))
                (self.instructions(found.as_ref()))
                p { (t(
                    "Diese Einträge gehören zu Ihrer Domain. Anlegen lassen sie sich dort, wo Sie die Domain gemietet haben, meist \
                     unter „DNS“.",
                    "These records belong to your domain. You add them where you rent the domain, mostly under \"DNS\".",
                )) }
                (self.table(&of_need(Need::Needed), found.as_ref()))
                @for (need, title) in [
                    (Need::Advised, t("Empfohlen: machen Ihre Post sicherer", "Advised: they make your mail safer")),
                    (Need::Optional, t("Wenn Sie möchten", "If you like")),
                ] {
                    @let of_this = of_need(need);
                    @if !of_this.is_empty() {
                        details {
                            summary { (title) " (" (of_this.len()) ")" }
                            (self.table(&of_this, found.as_ref()))
                        }
                    }
                }
                (self.guesses())
                (self.keys())
            }
        }
    }

    fn verdict(&self, found: Option<&Found>) -> Markup {
        let t = |de, en| self.frame.t(de, en);
        let Some(found) = found else {
            return badge(Tone::Info, t("noch nicht geprüft", "not checked yet"));
        };
        let serious = found.findings.iter().filter(|one| one.is_serious()).count();
        match serious {
            0 => badge(
                Tone::Good,
                t("Alles Nötige stimmt", "All that is needed is right"),
            ),
            1 => badge(Tone::Bad, t("Eine Sache ist zu tun", "One thing to do")),
            n => {
                let words = match self.frame.lang.0 {
                    Language::De => format!("{n} Dinge sind zu tun"),
                    Language::En => format!("{n} things to do"),
                };
                badge(Tone::Bad, &words)
            }
        }
    }

    fn last_look(&self, found: Option<&Found>) -> Markup {
        let (frame, settings) = (self.frame, &self.web.sources.settings);
        let at = found.and_then(|found| found.at);
        html! {
            form.row method="post" action="/box/domain/check" {
                (frame.token())
                button.second { (frame.t("Jetzt nachsehen", "Look now")) }
                @if let Some(at) = at {
                    span.soft {
                        (frame.t("Zuletzt nachgesehen:", "Last look:")) " " (frame.lang.moment(at, &settings.time_zone))
                    }
                }
            }
        }
    }

    /// What to do, the serious things first.
    fn instructions(&self, found: Option<&Found>) -> Markup {
        let findings = found.map_or(&[][..], |found| &found.findings);
        let told = findings.iter().filter_map(|one| {
            let advice = publish::advice(one, self.facts, self.frame.lang.0);
            (!advice.is_empty()).then_some((!one.is_serious(), advice))
        });
        let (serious, others): (Vec<_>, Vec<_>) = told.partition(|(is_minor, _)| !is_minor);
        html! {
            @if !serious.is_empty() {
                h3 { (self.frame.t("Das ist zu tun", "What to do")) }
                ol.steps { @for (_, advice) in &serious { li { (advice) } } }
            }
            @if !others.is_empty() {
                details {
                    summary { (self.frame.t("Was noch besser ginge", "What could be better still")) " (" (others.len()) ")" }
                    ol.steps { @for (_, advice) in &others { li { (advice) } } }
                }
            }
        }
    }

    fn table(&self, records: &[(usize, &Record)], found: Option<&Found>) -> Markup {
        let t = |de, en| self.frame.t(de, en);
        html! {
            table.blocks.records {
                thead { tr {
                    th { (t("Eintrag", "Record")) }
                    th { "Name" }
                    th { (t("Wert", "Value")) }
                    th { (t("Stand", "State")) }
                } }
                tbody { @for (at, record) in records { (self.row(*at, record, found)) } }
            }
        }
    }

    fn row(&self, at: usize, record: &Record, found: Option<&Found>) -> Markup {
        let t = |de, en| self.frame.t(de, en);
        let language = self.frame.lang.0;
        let finding =
            found.and_then(|found| found.findings.iter().find(|one| one.record == *record));
        // The box cannot know it, so there is nothing to copy.
        let is_known = record.data != Data::Address;
        let (number, value) = (self.number, record.value(language));
        html! {
            tr {
                td data-label=(t("Eintrag", "Record")) {
                    strong { (record.kind) }
                    br; span.soft { (publish::note(record, language)) }
                }
                td data-label="Name" { (self.copied(&format!("name-{number}-{at}"), &record.name, true)) }
                td data-label=(t("Wert", "Value")) { (self.copied(&format!("value-{number}-{at}"), &value, is_known)) }
                td data-label=(t("Stand", "State")) { (self.state(finding)) }
            }
        }
    }

    /// A text with a button that copies it.
    fn copied(&self, id: &str, text: &str, can_copy: bool) -> Markup {
        html! {
            code.value id=(id) { (text) }
            @if can_copy {
                " " button.quiet.copy type="button" data-copy=(id) data-done=(self.frame.t("Kopiert", "Copied")) {
                    (self.frame.t("Kopieren", "Copy"))
                }
            }
        }
    }

    fn state(&self, finding: Option<&Finding>) -> Markup {
        let t = |de, en| self.frame.t(de, en);
        let Some(finding) = finding else {
            return html! { span.soft { "–" } };
        };
        let trouble = if finding.is_serious() {
            Tone::Bad
        } else {
            Tone::Info
        };
        match finding.state {
            State::Ok => badge(Tone::Good, t("stimmt", "right")),
            State::Missing => badge(trouble, t("fehlt", "missing")),
            State::Wrong => badge(trouble, t("stimmt nicht", "wrong")),
            State::Unknown => badge(Tone::Warn, t("keine Antwort", "no answer")),
        }
    }

    fn guesses(&self) -> Markup {
        let language = self.frame.lang.0;
        html! {
            @for host in &self.facts.ways.unknown {
                p.hint {
                    @match language {
                        Language::De => {
                            "Was für " (host) " in den SPF-Eintrag gehört (include:…), weiß der Anbieter; a:" (host)
                            " ist nur geraten."
                        }
                        Language::En => {
                            "What belongs into the SPF record for " (host) " (include:…) is for its provider to say; a:"
                            (host) " is a guess."
                        }
                    }
                }
            }
        }
    }

    fn keys(&self) -> Markup {
        let frame = self.frame;
        html! {
            details {
                summary { (frame.t("Schlüssel für Signaturen erneuern", "Renew the keys for signatures")) }
                p { (frame.t(
                    "Die Box unterschreibt jede Mail (DKIM), damit andere sehen, dass sie von Ihnen kommt. Erneuern ist selten nötig, \
                     etwa wenn die Speicherkarte in fremde Hände kam. Danach sind zwei neue Einträge anzulegen; bis das DNS sie zeigt, \
                     unterschreiben die alten Schlüssel weiter. Es geht also keine Post verloren.",
                    "The box signs each mail (DKIM), so that others see that it comes from you. Renewing is rarely needed, such as \
                     when the card was in somebody else's hands. Two new records have to be added then; until DNS shows them, the old \
                     keys go on signing. So no mail is lost.",
                )) }
                form method="post" action="/box/domain/rotate" {
                    (frame.token())
                    input type="hidden" name="domain" value=(self.facts.domain);
                    button.second { (frame.t("Neue Schlüssel machen", "Make new keys")) }
                }
            }
        }
    }
}
