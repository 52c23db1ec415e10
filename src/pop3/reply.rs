//! Replies: status, response code and text, in English or German (RFC 6856 3).
//!
//! Programs read the status and the code, people read the text, so only the text is translated. Until LANG is used the
//! text is English ASCII; German goes out as UTF-8.

use std::borrow::Cow;

use crate::store::types::Language;

/// A language with the tag and the name that LANG lists it by.
pub(super) const LANGUAGES: [(Language, &str, &str); 2] = [
    (Language::En, "en", "English"),
    (Language::De, "de", "Deutsch"),
];

/// The tag of a language.
pub(super) fn tag(language: Language) -> &'static str {
    match language {
        Language::En => "en",
        Language::De => "de",
    }
}

/// A response code in square brackets (RFC 2449 8.1, RFC 3206).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The credentials are wrong.
    Auth,
    /// Trying again later makes sense.
    SysTemp,
}

/// What a reply says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Text {
    Greeting,
    Capabilities,
    Languages,
    LanguageChanged,
    LanguageUnknown,
    Utf8Enabled,
    TlsBegins,
    TlsRunning,
    TlsRequired,
    TlsAfterUtf8,
    PasswordPlease,
    UserFirst,
    WrongCredentials,
    MechanismUnknown,
    ExchangeCancelled,
    ExchangeMalformed,
    ExchangeBinding,
    TooManyFailures { seconds: u64 },
    Maildrop { messages: usize },
    Listing,
    Octets(u64),
    NoSuchMessage,
    MessageGone,
    Deleted,
    Undeleted,
    Done,
    Bye,
    TemporaryFault,
    NotDeleted,
    NotNow,
    UnknownCommand,
    WrongArguments,
    LineTooLong,
    TooManyErrors,
}

impl Text {
    /// The text for people.
    pub(super) fn render(self, language: Language) -> Cow<'static, str> {
        match (self, language) {
            (Self::TooManyFailures { seconds }, Language::En) => {
                format!("too many failed logins, try again in {seconds} seconds").into()
            }
            (Self::TooManyFailures { seconds }, Language::De) => {
                format!("zu viele Fehlversuche, neuer Versuch in {seconds} Sekunden").into()
            }
            (Self::Maildrop { messages: 1 }, Language::En) => "1 message".into(),
            (Self::Maildrop { messages }, Language::En) => format!("{messages} messages").into(),
            (Self::Maildrop { messages: 1 }, Language::De) => "1 Nachricht".into(),
            (Self::Maildrop { messages }, Language::De) => format!("{messages} Nachrichten").into(),
            (Self::Octets(octets), Language::En) => format!("{octets} octets").into(),
            (Self::Octets(octets), Language::De) => format!("{octets} Oktette").into(),
            (text, Language::En) => text.english().into(),
            (text, Language::De) => text.german().into(),
        }
    }

    fn english(self) -> &'static str {
        match self {
            Self::Greeting => "Heimpost POP3 ready",
            Self::Capabilities => "capabilities follow",
            Self::Languages => "languages follow",
            Self::LanguageChanged => "language changed",
            Self::LanguageUnknown => "no such language here",
            Self::Utf8Enabled => "UTF-8 it is",
            Self::TlsBegins => "begin TLS",
            Self::TlsRunning => "TLS runs already",
            Self::TlsRequired => "not without TLS: use STLS first",
            Self::TlsAfterUtf8 => "no TLS after UTF8",
            Self::PasswordPlease => "password please",
            Self::UserFirst => "USER first",
            Self::WrongCredentials => "wrong name or password",
            Self::MechanismUnknown => "no such mechanism here",
            Self::ExchangeCancelled => "authentication cancelled",
            Self::ExchangeMalformed => "malformed authentication response",
            Self::ExchangeBinding => "channel binding does not match",
            Self::Listing => "listing follows",
            Self::NoSuchMessage => "no such message",
            Self::MessageGone => "message was removed meanwhile",
            Self::Deleted => "message marked as deleted",
            Self::Undeleted => "nothing is marked as deleted",
            Self::Done | Self::TooManyFailures { .. } | Self::Maildrop { .. } | Self::Octets(_) => {
                "done"
            }
            Self::Bye => "bye",
            Self::TemporaryFault => "temporary failure, try again later",
            Self::NotDeleted => "temporary failure, nothing was deleted",
            Self::NotNow => "not in this state",
            Self::UnknownCommand => "unknown command",
            Self::WrongArguments => "wrong arguments",
            Self::LineTooLong => "line too long",
            Self::TooManyErrors => "too many errors",
        }
    }

    fn german(self) -> &'static str {
        match self {
            Self::Greeting => "Heimpost POP3 bereit",
            Self::Capabilities => "F\u{e4}higkeiten folgen",
            Self::Languages => "Sprachen folgen",
            Self::LanguageChanged => "Sprache gewechselt",
            Self::LanguageUnknown => "diese Sprache gibt es hier nicht",
            Self::Utf8Enabled => "UTF-8 gilt",
            Self::TlsBegins => "TLS beginnt",
            Self::TlsRunning => "TLS l\u{e4}uft schon",
            Self::TlsRequired => "nicht ohne TLS: zuerst STLS",
            Self::TlsAfterUtf8 => "kein TLS nach UTF8",
            Self::PasswordPlease => "bitte das Passwort",
            Self::UserFirst => "zuerst USER",
            Self::WrongCredentials => "Name oder Passwort falsch",
            Self::MechanismUnknown => "dieses Verfahren gibt es hier nicht",
            Self::ExchangeCancelled => "Anmeldung abgebrochen",
            Self::ExchangeMalformed => "Antwort der Anmeldung fehlerhaft",
            Self::ExchangeBinding => "Kanalbindung stimmt nicht",
            Self::Listing => "Liste folgt",
            Self::NoSuchMessage => "diese Nachricht gibt es nicht",
            Self::MessageGone => "Nachricht wurde inzwischen entfernt",
            Self::Deleted => "Nachricht zum L\u{f6}schen vorgemerkt",
            Self::Undeleted => "nichts ist zum L\u{f6}schen vorgemerkt",
            Self::Done | Self::TooManyFailures { .. } | Self::Maildrop { .. } | Self::Octets(_) => {
                "erledigt"
            }
            Self::Bye => "auf Wiedersehen",
            Self::TemporaryFault => "vor\u{fc}bergehende St\u{f6}rung, bitte sp\u{e4}ter wieder",
            Self::NotDeleted => "vor\u{fc}bergehende St\u{f6}rung, nichts wurde gel\u{f6}scht",
            Self::NotNow => "nicht in diesem Zustand",
            Self::UnknownCommand => "unbekannter Befehl",
            Self::WrongArguments => "falsche Argumente",
            Self::LineTooLong => "Zeile zu lang",
            Self::TooManyErrors => "zu viele Fehler",
        }
    }
}

/// Appends `+OK text`.
pub(super) fn ok(out: &mut Vec<u8>, language: Language, text: Text) {
    line(out, &format!("+OK {}", text.render(language)));
}

/// Appends `-ERR text`.
pub(super) fn err(out: &mut Vec<u8>, language: Language, text: Text) {
    line(out, &format!("-ERR {}", text.render(language)));
}

/// Appends `-ERR [code] text`.
pub(super) fn err_code(out: &mut Vec<u8>, language: Language, code: Code, text: Text) {
    let code = match code {
        Code::Auth => "AUTH",
        Code::SysTemp => "SYS/TEMP",
    };
    line(out, &format!("-ERR [{code}] {}", text.render(language)));
}

/// Appends one line.
pub(super) fn line(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole multi-line reply after its first line; none of `lines` begins with a dot.
pub(super) fn lines(out: &mut Vec<u8>, lines: impl IntoIterator<Item = String>) {
    for text in lines {
        line(out, &text);
    }
    line(out, ".");
}
