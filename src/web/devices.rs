//! Devices as pages show them, to the owner and to each person: last seen, what POP3's DELE means, revoking.

use axum::response::Response;
use jiff::tz::TimeZone;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::Frame;
use super::parts::{self, Tone, badge};
use super::problem::Problem;
use super::words::Lang;
use super::{Sources, Web};
use crate::mail::ids::{AccountId, DeviceId};
use crate::manage::account::Office;
use crate::manage::device::{self, KEEP_DAYS_DEFAULT, Policy};
use crate::store::Snapshot;
use crate::store::types::{Device, Login, Pop3Delete};

/// An account's devices, with who was let in by which.
#[derive(Clone, Debug)]
pub(super) struct Devices {
    devices: Vec<Device>,
    logins: Vec<(Option<DeviceId>, Login)>,
}

impl Devices {
    pub(super) fn read(snapshot: &Snapshot, account: AccountId) -> Result<Self, Problem> {
        Ok(Self {
            devices: snapshot.devices(account)?,
            logins: snapshot.logins(account)?,
        })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.devices.len()
    }

    /// The latest login by any of them, or with the account's own password.
    pub(super) fn latest(&self) -> Option<&Login> {
        self.logins
            .iter()
            .map(|(_, login)| login)
            .max_by_key(|login| login.at)
    }

    fn of(&self, device: Option<DeviceId>) -> Vec<&Login> {
        let own = self.logins.iter().filter(|(of, _)| *of == device);
        let mut logins: Vec<_> = own.map(|(_, login)| login).collect();
        logins.sort_by_key(|login| std::cmp::Reverse(login.at));
        logins
    }

    /// All of them as a list. Their forms go to `base`/NUMBER/revoke and `base`/NUMBER/policy.
    pub(super) fn list(&self, frame: &Frame, base: &str, zone: &TimeZone) -> Markup {
        html! {
            ul.plain {
                @for device in &self.devices { li { (self.entry(device, frame, base, zone)) } }
                li {
                    strong { (frame.t("Eigenes Passwort", "Own password")) }
                    (seen(frame.lang, &self.of(None), zone))
                    p.hint {
                        (frame.t(
                            "Öffnet diese Seiten, und auch Mailprogramme. Besser hat jedes Gerät sein eigenes App-Passwort.",
                            "Opens these pages, and mail programs too. Better give each device an app password of its own.",
                        ))
                    }
                }
            }
        }
    }

    fn entry(&self, device: &Device, frame: &Frame, base: &str, zone: &TimeZone) -> Markup {
        let question = question(frame, &device.name);
        let old = device
            .last_seen
            .filter(|_| self.of(Some(device.id)).is_empty());
        html! {
            div.spread {
                strong { (device.name) }
                form.deed method="post" action={ (base) "/" (device.id) "/revoke" } {
                    (frame.token())
                    (parts::unsure())
                    button.quiet data-ask=(question) aria-label={ (frame.t("Sperren: ", "Revoke: ")) (device.name) } {
                        (frame.t("Sperren", "Revoke"))
                    }
                }
            }
            @if let Some(day) = old {
                p.hint { (frame.t("Zuletzt benutzt am ", "Last used on ")) (frame.lang.day(day, zone)) }
            } @else {
                (seen(frame.lang, &self.of(Some(device.id)), zone))
            }
            (policy(device, frame, base))
        }
    }
}

fn question(frame: &Frame, name: &str) -> String {
    let text = frame.t(
        "sperren? Das App-Passwort gilt dann nicht mehr. Die Mails bleiben.",
        ": revoke it? Its app password stops working. The mail stays.",
    );
    format!("{name} {text}")
}

/// Asks whether a device shall be revoked, if it is this account's. The list is at `base`.
pub(super) async fn ask(
    web: &Web,
    frame: &Frame,
    (account, device): (AccountId, u32),
    base: &str,
) -> Result<Response, Problem> {
    let found = web.run(move |sources, _| own_device(sources, account, device));
    let found = found.await?;
    let action = format!("{base}/{device}/revoke");
    let back = base
        .strip_suffix("/devices")
        .filter(|_| base.starts_with("/box"));
    let body = parts::question(
        frame,
        &question(frame, &found.name),
        (&action, &[]),
        frame.t("Sperren", "Revoke"),
        back.unwrap_or(base),
    );
    Ok(frame.page(frame.t("Gerät sperren?", "Revoke the device?"), &body))
}

/// Who was let in, and how.
fn seen(lang: Lang, logins: &[&Login], zone: &TimeZone) -> Markup {
    html! {
        @if logins.is_empty() { p.hint { (lang.t("Noch nicht benutzt", "Not used yet")) } }
        @for login in logins {
            p.hint {
                (login.protocol) " · " (lang.moment(login.at, zone)) " · " (login.from) " · "
                @if login.tls.is_empty() {
                    (badge(Tone::Warn, lang.t("unverschlüsselt", "not encrypted")))
                } @else { (login.tls.replacen("TLS1", "TLS 1", 1)) }
            }
        }
    }
}

/// What deleting by POP3 does, and changing it.
fn policy(device: &Device, frame: &Frame, base: &str) -> Markup {
    let now = Policy(device.pop3_delete);
    let days = match device.pop3_delete {
        Pop3Delete::Keep { days } => days,
        Pop3Delete::Delete | Pop3Delete::Move => KEEP_DAYS_DEFAULT,
    };
    let choices = [
        Pop3Delete::Keep { days },
        Pop3Delete::Move,
        Pop3Delete::Delete,
    ];
    html! {
        details {
            summary { (frame.t("POP3: ", "POP3: ")) (brief(frame.lang, device.pop3_delete)) }
            form method="post" action={ (base) "/" (device.id) "/policy" } {
                (frame.token())
                fieldset {
                    legend {
                        (frame.t("Wenn dieses Gerät per POP3 löscht", "When this device deletes by POP3"))
                    }
                    @for choice in choices {
                        (policy_choice(frame.lang, choice, Policy(choice) == now))
                    }
                }
                button.second { (frame.t("Speichern", "Save")) }
            }
        }
    }
}

/// One policy to choose, with what it means.
fn policy_choice(lang: Lang, policy: Pop3Delete, chosen: bool) -> Markup {
    html! {
        label.choice {
            input type="radio" name="policy" value=(Policy(policy)) checked[chosen];
            span {
                strong { (brief(lang, policy)) }
                span.soft { (meaning(lang, policy)) }
            }
        }
    }
}

fn brief(lang: Lang, policy: Pop3Delete) -> String {
    match policy {
        Pop3Delete::Delete => lang.t("überall löschen", "delete everywhere").to_owned(),
        Pop3Delete::Keep { days } => match lang.code() {
            "de" => format!("{days} Tage aufheben"),
            _ => format!("keep for {days} days"),
        },
        Pop3Delete::Move => lang
            .t(
                "aufheben, wenn alle geholt haben",
                "file away when all have fetched",
            )
            .to_owned(),
    }
}

/// What a policy means, in a sentence.
fn meaning(lang: Lang, policy: Pop3Delete) -> &'static str {
    match policy {
        Pop3Delete::Delete => lang.t(
            "Die Mail ist sofort für alle Geräte weg. So meint es POP3, aber andere Geräte sehen sie dann nie.",
            "The mail is gone for all devices at once. That is what POP3 means, but other devices never see it then.",
        ),
        Pop3Delete::Keep { .. } => lang.t(
            "Die Mail verschwindet nur von diesem Gerät. Alle anderen sehen sie noch so lange, dann wird sie gelöscht.",
            "The mail disappears from this device alone. All others see it for that long, then it is deleted.",
        ),
        Pop3Delete::Move => lang.t(
            "Die Mail verschwindet nur von diesem Gerät. Haben alle POP3-Geräte sie geholt, spätestens nach 30 Tagen, kommt sie in den Ordner „Fetched“ und bleibt dort.",
            "The mail disappears from this device alone. Once every POP3 device has fetched it, after 30 days at most, it moves to the mailbox \"Fetched\" and stays there.",
        ),
    }
}

/// A form that changes what DELE means.
#[derive(Debug, Deserialize)]
pub(super) struct PolicyForm {
    policy: String,
}

/// Changes a device's policy, if the device is this account's.
pub(super) async fn set_policy(
    web: &Web,
    account: AccountId,
    device: u32,
    form: PolicyForm,
) -> Result<(), Problem> {
    let policy: Policy = form.policy.parse().map_err(|_| Problem::NotFound)?;
    web.run(move |sources, _| {
        let device = own_device(sources, account, device)?;
        Ok(sources.store.set_pop3_delete(device.id, policy.0)?)
    })
    .await
}

/// Revokes a device, if it is this account's.
pub(super) async fn revoke(web: &Web, account: AccountId, device: u32) -> Result<(), Problem> {
    web.run(move |sources, now| {
        let device = own_device(sources, account, device)?;
        sources.office().revoke_device(&device, now)?;
        sources
            .kept
            .drawer
            .forget(account, Some(device.id), now.mono);
        Ok(())
    })
    .await
}

fn own_device(sources: &Sources, account: AccountId, device: u32) -> Result<Device, Problem> {
    let found = sources.office().device(account, DeviceId(device));
    found.map_err(|error| match error {
        device::Error::Store(error) => Problem::Store(error),
        device::Error::Missing
        | device::Error::Name
        | device::Error::Exists(_)
        | device::Error::Auth(_) => Problem::NotFound,
    })
}

impl Sources {
    /// Where accounts and devices are made.
    pub(super) fn office(&self) -> Office<'_> {
        Office {
            store: &self.store,
            auth: &self.auth,
            settings: &self.settings,
        }
    }
}
