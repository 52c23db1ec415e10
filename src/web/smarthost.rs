//! The form about one smarthost, wherever it stands: its fields, what they say, the settings they become, and its trial.
//!
//! The password is never shown; an empty field keeps the one that there is, as long as host and user stay the same, so
//! that no other host ever gets it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Deserialize;

use super::change::Edit;
use super::layout::Frame;
use super::parts::Field;
use super::state::Web;
use super::words::Lang;
use crate::mail::address::{Address, Domain};
use crate::mail::secret::Secret;
use crate::queue::presets::{PRESETS, Preset};
use crate::queue::relay::{Login, Password, RelayTls, Smarthost};
use crate::queue::worker::trial::{Failure, Request, Trial};
use crate::store::types::Language;
use crate::trust::signing::Keyring;

/// What `preset` holds for a smarthost that is none of the known ones.
pub const OTHER: &str = "other";

/// What `preset` holds for none at all.
pub const NONE: &str = "";

/// Longest user name and password, in bytes.
const TEXT_BYTES_MAX: usize = 1024;

/// What was sent, or is to be shown.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Given {
    /// A preset's name, [`OTHER`] or [`NONE`].
    pub preset: String,
    /// Host, if it is another.
    pub host: String,
    /// Port; empty for the usual one.
    pub port: String,
    /// `starttls`, `tls` or `none`.
    pub tls: String,
    /// User; empty for no login.
    pub user: String,
    /// Password; empty for the one that there is.
    pub password: Hidden,
}

/// A password as it was typed.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct Hidden(pub Secret<String>);

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl Default for Hidden {
    fn default() -> Self {
        Self::from(String::new())
    }
}

/// What is wrong, by the field's name.
pub type Errors = BTreeMap<&'static str, String>;

impl Given {
    /// As the settings have it.
    pub fn of(smarthost: Option<&Smarthost>) -> Self {
        let Some(smarthost) = smarthost else {
            return Self::default();
        };
        let user = smarthost.login.as_ref().map(|login| login.user.clone());
        let user = user.unwrap_or_default();
        let preset = Preset::of_host(&smarthost.host)
            .filter(|preset| preset.port == smarthost.port && preset.tls == smarthost.tls);
        if let Some(preset) = preset {
            return Self {
                preset: preset.name.to_owned(),
                user,
                ..Self::default()
            };
        }
        let host = smarthost.host.address();
        Self {
            preset: OTHER.to_owned(),
            host: host.map_or_else(|| smarthost.host.to_string(), |ip| ip.to_string()),
            port: smarthost.port.to_string(),
            tls: tls_name(smarthost.tls).to_owned(),
            user,
            password: Hidden::default(),
        }
    }

    /// Whether there shall be a smarthost at all.
    pub fn is_none(&self) -> bool {
        self.preset == NONE
    }

    /// What it says; `before` is what it takes the place of, whose password stays if none was typed.
    pub fn check(&self, before: Option<&Smarthost>, lang: Lang) -> Result<Smarthost, Errors> {
        let mut errors = Errors::new();
        let server = self.server(lang, &mut errors);
        let user = self.user.trim();
        let typed = self.password.0.expose();
        if user.len() > TEXT_BYTES_MAX || user.chars().any(char::is_control) {
            let text = lang.t("Das ist kein Benutzername.", "This is no user name.");
            errors.insert("user", text.to_owned());
        }
        if typed.len() > TEXT_BYTES_MAX || typed.chars().any(char::is_control) {
            let text = lang.t(
                "So kann kein Passwort aussehen.",
                "This cannot be a password.",
            );
            errors.insert("password", text.to_owned());
        }
        let Some((host, port, tls)) = server else {
            return Err(errors);
        };
        let login = self.login(&host, before, lang, &mut errors);
        if login.is_some() && tls == RelayTls::None && !is_here(&host) {
            let text = lang.t(
                "Ohne Verschlüsselung wäre das Passwort für alle auf dem Weg lesbar. Wählen Sie STARTTLS oder TLS.",
                "Without encryption everybody on the way could read the password. Choose STARTTLS or TLS.",
            );
            errors.insert("tls", text.to_owned());
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let of = login.as_ref().map(|login| format!(" ({})", login.user));
        Ok(Smarthost {
            name: format!("{host}:{port}{}", of.unwrap_or_default()),
            host,
            port,
            tls,
            login,
        })
    }

    fn server(&self, lang: Lang, errors: &mut Errors) -> Option<(Domain, u16, RelayTls)> {
        if let Some(preset) = Preset::named(&self.preset) {
            return Some((Domain::parse(preset.host).ok()?, preset.port, preset.tls));
        }
        if self.preset != OTHER {
            let text = lang.t("Wählen Sie einen Anbieter.", "Choose a provider.");
            errors.insert("preset", text.to_owned());
            return None;
        }
        let host = parse_host(self.host.trim());
        if host.is_none() {
            let text = lang.t(
                "Das ist kein Servername, wie ihn der Anbieter nennt (etwa smtp.example.org).",
                "This is no server name as the provider tells it (such as smtp.example.org).",
            );
            errors.insert("host", text.to_owned());
        }
        let tls = tls_named(&self.tls);
        if tls.is_none() {
            let text = lang.t("Wählen Sie eine Art.", "Choose a kind.");
            errors.insert("tls", text.to_owned());
        }
        let port = match self.port.trim() {
            "" => Some(usual_port(tls.unwrap_or(RelayTls::StartTls))),
            text => text.parse().ok().filter(|port: &u16| *port > 0),
        };
        if port.is_none() {
            let text = lang.t(
                "Ein Port ist eine Zahl von 1 bis 65535.",
                "A port is a number from 1 to 65535.",
            );
            errors.insert("port", text.to_owned());
        }
        Some((host?, port?, tls?))
    }

    fn login(
        &self,
        host: &Domain,
        before: Option<&Smarthost>,
        lang: Lang,
        errors: &mut Errors,
    ) -> Option<Login> {
        let (user, typed) = (self.user.trim(), self.password.0.expose());
        if user.is_empty() {
            if !typed.is_empty() {
                let text = lang.t("Wer meldet sich an?", "Who logs in?");
                errors.insert("user", text.to_owned());
            }
            return None;
        }
        let kept = before.filter(|before| before.host == *host);
        let kept = kept.and_then(|before| before.login.as_ref());
        let kept = kept.filter(|login| login.user == user);
        let password = if typed.is_empty() {
            kept.map(|login| login.password.clone())
        } else {
            Some(Password::Given(Secret::new(typed.clone())))
        };
        let Some(password) = password else {
            let text = lang.t("Tragen Sie das Passwort ein.", "Enter the password.");
            errors.insert("password", text.to_owned());
            return None;
        };
        Some(Login {
            user: user.to_owned(),
            password,
        })
    }

    /// The fields, for a smarthost that `before` was in place of. `owner` is an example of a user name.
    pub fn fields(&self, frame: &Frame, has_password: bool, errors: &Errors) -> Markup {
        let t = |de, en| frame.t(de, en);
        let error = |name: &str| errors.get(name).map_or("", String::as_str);
        html! {
            div.if-other {
                (Field { error: error("host"), ..Field::text("host", t("Server", "Server"), &self.host) }.render())
                (self.tls_field(frame, error("tls")))
                (Field {
                    kind: "number",
                    hint: t("Leer: der übliche (587 oder 465).", "Empty: the usual one (587 or 465)."),
                    error: error("port"),
                    ..Field::text("port", "Port", &self.port)
                }.render())
            }
            div.if-smarthost {
                (Field {
                    hint: t("Meist Ihre ganze E-Mail-Adresse dort.", "Mostly your full email address there."),
                    error: error("user"),
                    ..Field::text("user", t("Benutzer", "User"), &self.user)
                }.render())
                (Field {
                    kind: "password",
                    autocomplete: "off",
                    hint: if has_password {
                        t("Leer lassen, um das gespeicherte zu behalten.", "Leave empty to keep the one that is saved.")
                    } else { "" },
                    error: error("password"),
                    ..Field::text("password", t("Passwort", "Password"), "")
                }.render())
            }
        }
    }

    /// The choice of provider; `none` is what no smarthost is called, where that is a choice.
    pub fn provider_field(&self, frame: &Frame, none: Option<&str>, errors: &Errors) -> Markup {
        let error = errors.get("preset");
        html! {
            div.field {
                label for="field-preset" { (frame.t("Anbieter", "Provider")) }
                select #field-preset name="preset" aria-describedby=[error.map(|_| "field-preset-error")] {
                    @if let Some(none) = none {
                        option value=(NONE) selected[self.preset == NONE] { (none) }
                    }
                    @for preset in &PRESETS {
                        option value=(preset.name) selected[self.preset == preset.name] { (title(preset.name)) }
                    }
                    option value=(OTHER) selected[self.preset == OTHER] {
                        (frame.t("Anderer Anbieter", "Another provider"))
                    }
                }
                @if let Some(error) = error { p.error #field-preset-error { (error) } }
            }
        }
    }

    fn tls_field(&self, frame: &Frame, error: &str) -> Markup {
        let chosen = if self.tls.is_empty() {
            "starttls"
        } else {
            &self.tls
        };
        let kinds = [
            (
                "starttls",
                frame.t("STARTTLS (meist Port 587)", "STARTTLS (mostly port 587)"),
            ),
            (
                "tls",
                frame.t(
                    "TLS von Anfang an (meist Port 465)",
                    "TLS from the start (mostly port 465)",
                ),
            ),
            (
                "none",
                frame.t(
                    "keine (nur im Heimnetz, ohne Anmeldung)",
                    "none (home network only, no login)",
                ),
            ),
        ];
        html! {
            div.field {
                label for="field-tls" { (frame.t("Verschlüsselung", "Encryption")) }
                select #field-tls name="tls" aria-describedby=[(!error.is_empty()).then_some("field-tls-error")] {
                    @for (value, words) in kinds {
                        option value=(value) selected[value == chosen] { (words) }
                    }
                }
                @if !error.is_empty() { p.error #field-tls-error { (error) } }
            }
        }
    }
}

/// What each provider wants that trips people who have the right password.
pub fn hints(frame: &Frame) -> Markup {
    html! {
        details {
            summary { (frame.t("Was die Anbieter verlangen", "What the providers want")) }
            dl.facts {
                @for preset in &PRESETS {
                    dt { (title(preset.name)) }
                    dd { (preset.hint(frame.lang.0)) }
                }
            }
        }
    }
}

/// As people know the provider.
pub fn title(preset: &str) -> &str {
    match preset {
        "gmail" => "Gmail",
        "gmx" => "GMX",
        "ionos" => "IONOS",
        "outlook" => "Outlook.com",
        "posteo" => "Posteo",
        "strato" => "STRATO",
        "t-online" => "T-Online",
        "web.de" => "WEB.DE",
        other => other,
    }
}

/// The keys of a smarthost and their values; a key without one is taken out.
pub fn keys(smarthost: Option<&Smarthost>) -> [(&'static str, Option<toml::Value>); 6] {
    let given = Given::of(smarthost);
    let login = smarthost.and_then(|smarthost| smarthost.login.as_ref());
    let password = login.and_then(|login| match &login.password {
        Password::Given(password) => Some(password.expose().clone()),
        Password::File(_) => None,
    });
    let some = |text: &str| (!text.is_empty()).then(|| toml::Value::from(text));
    let preset = Some(given.preset.as_str()).filter(|preset| *preset != OTHER);
    [
        ("preset", preset.and_then(some)),
        ("host", some(&given.host)),
        ("port", given.port.parse().ok().map(toml::Value::Integer)),
        ("tls", some(&given.tls)),
        ("user", some(&given.user)),
        ("password", password.map(toml::Value::from)),
    ]
}

/// The edits that make it the default smarthost, or leave none.
pub fn edits(smarthost: Option<&Smarthost>) -> Vec<Edit> {
    let keys = keys(smarthost).into_iter();
    keys.map(|(key, value)| Edit {
        key: format!("relay.{key}"),
        value,
    })
    .collect()
}

/// Tries it: connects, logs in and sends a mail to the owner. Takes up to [`TIME_MAX`](crate::queue::worker::trial::TIME_MAX).
pub async fn try_out(
    web: &Web,
    smarthost: &Smarthost,
    owner: &Address,
    language: Language,
) -> Result<String, Failure> {
    let sources = &web.sources;
    let settings = &sources.settings;
    let trial = Trial {
        outbound: sources.outbound.clone(),
        resolver: sources.resolver.clone(),
        keyring: Keyring::open(&sources.store, &settings.domains),
        hostname: settings.hostname.clone(),
        clock: sources.clock.clone(),
    };
    let request = Request {
        smarthost: smarthost.clone(),
        owner: owner.clone(),
        language,
    };
    trial.run(&request).await
}

/// What the other side said about a trial, word for word.
pub fn words_of(frame: &Frame, said: &str) -> Markup {
    html! {
        @if !said.is_empty() {
            details {
                summary { (frame.t("Wortlaut der Gegenseite", "The other side's words")) }
                pre { (said) }
            }
        }
    }
}

fn parse_host(text: &str) -> Option<Domain> {
    let literal = match text.parse() {
        Ok(std::net::IpAddr::V4(ip)) => format!("[{ip}]"),
        Ok(std::net::IpAddr::V6(ip)) => format!("[IPv6:{ip}]"),
        Err(_) => return Domain::parse(text).ok().filter(|host| !host.is_literal()),
    };
    Domain::parse(&literal).ok()
}

fn is_here(host: &Domain) -> bool {
    host.as_str() == "localhost" || host.address().is_some_and(|address| address.is_loopback())
}

fn tls_name(tls: RelayTls) -> &'static str {
    match tls {
        RelayTls::None => "none",
        RelayTls::StartTls => "starttls",
        RelayTls::Implicit => "tls",
    }
}

fn tls_named(name: &str) -> Option<RelayTls> {
    match name {
        "none" => Some(RelayTls::None),
        "starttls" | "" => Some(RelayTls::StartTls),
        "tls" => Some(RelayTls::Implicit),
        _ => None,
    }
}

fn usual_port(tls: RelayTls) -> u16 {
    match tls {
        RelayTls::Implicit => 465,
        RelayTls::StartTls | RelayTls::None => 587,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::stored::{Stored, Written};

    const EN: Lang = Lang(Language::En);

    fn given(text: &str) -> Given {
        serde_urlencoded::from_str(text).unwrap()
    }

    fn check(text: &str, before: Option<&Smarthost>, expected: &str) {
        let told = match given(text).check(before, EN) {
            Ok(smarthost) => smarthost.name,
            Err(errors) => errors.into_keys().collect::<Vec<_>>().join(" "),
        };
        assert_eq!(told, expected, "{text}");
    }

    #[test]
    fn what_forms_say() {
        for (text, expected) in [
            (
                "preset=gmx&user=a@gmx.net&password=x",
                "mail.gmx.net:587 (a@gmx.net)",
            ),
            ("preset=gmx&user=a@gmx.net", "password"),
            ("preset=gmx&password=x", "user"),
            ("preset=nobody&user=a&password=x", "preset"),
            ("preset=other&host=relay.test", "relay.test:587"),
            ("preset=other&host=relay.test&tls=tls", "relay.test:465"),
            (
                "preset=other&host=relay.test&port=25&tls=none",
                "relay.test:25",
            ),
            (
                "preset=other&host=127.0.0.1&port=25&tls=none",
                "[127.0.0.1]:25",
            ),
            (
                "preset=other&host=::1&port=25&tls=none&user=a&password=b",
                "[IPv6:::1]:25 (a)",
            ),
            (
                "preset=other&host=relay.test&tls=none&user=a&password=b",
                "tls",
            ),
            ("preset=other&host=a%0d%0ab&port=0&tls=x", "host port tls"),
            ("preset=other&host=relay.test&port=65536", "port"),
            ("preset=gmx&user=a%0d%0aRSET&password=b%00", "password user"),
            ("", "preset"),
        ] {
            check(text, None, expected);
        }
    }

    #[test]
    fn a_password_stays_with_its_host_and_user() {
        let before = given("preset=gmx&user=a@gmx.net&password=x")
            .check(None, EN)
            .unwrap();
        check(
            "preset=gmx&user=a@gmx.net",
            Some(&before),
            "mail.gmx.net:587 (a@gmx.net)",
        );
        check("preset=gmx&user=b@gmx.net", Some(&before), "password");
        check("preset=web.de&user=a@gmx.net", Some(&before), "password");
        check(
            "preset=other&host=evil.test&user=a@gmx.net",
            Some(&before),
            "password",
        );
    }

    #[test]
    fn settings_say_the_same() {
        for text in [
            "preset=gmx&user=a@gmx.net&password=x",
            "preset=other&host=relay.test&port=2525&tls=tls&user=u&password=p\"q",
            "preset=other&host=127.0.0.1&port=25&tls=none",
        ] {
            let smarthost = given(text).check(None, EN).unwrap();
            let mut table = toml::Table::new();
            for (key, value) in keys(Some(&smarthost)) {
                if let Some(value) = value {
                    table.insert(key.to_owned(), value);
                }
            }
            let document = format!("[relay]\n{table}");
            let stored = Stored::parse(document.as_bytes()).unwrap();
            let settings = Written::default().with(&stored).unwrap();
            assert_eq!(settings.relay.default, Some(smarthost), "{document}");
        }
        assert!(keys(None).iter().all(|(_, value)| value.is_none()));
    }
}
