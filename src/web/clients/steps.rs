//! The steps that set up one kind of program, in plain words.

use maud::{Markup, html};

use super::super::layout::Frame;
use super::super::words::Lang;

/// Kinds of programs that people have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::web) enum Kind {
    /// Mail on an iPhone or iPad.
    Iphone,
    /// Thunderbird, K-9 or `FairEmail` on an Android phone.
    Android,
    /// Thunderbird on a computer.
    Thunderbird,
    /// Outlook.
    Outlook,
    /// Mail on a Mac.
    Mac,
    /// Anything else.
    Other,
}

impl Kind {
    pub(in crate::web) const ALL: [Self; 6] = [
        Self::Iphone,
        Self::Android,
        Self::Thunderbird,
        Self::Outlook,
        Self::Mac,
        Self::Other,
    ];

    /// Its word in forms and addresses.
    pub(in crate::web) fn code(self) -> &'static str {
        match self {
            Self::Iphone => "iphone",
            Self::Android => "android",
            Self::Thunderbird => "thunderbird",
            Self::Outlook => "outlook",
            Self::Mac => "mac",
            Self::Other => "other",
        }
    }

    /// The kind of that word; [`Kind::Other`] for an unknown one.
    pub(in crate::web) fn named(code: &str) -> Self {
        let found = Self::ALL.into_iter().find(|kind| kind.code() == code);
        found.unwrap_or(Self::Other)
    }

    pub(in crate::web) fn label(self, lang: Lang) -> &'static str {
        match self {
            Self::Iphone => lang.t("iPhone oder iPad", "iPhone or iPad"),
            Self::Android => lang.t("Android-Telefon", "Android phone"),
            Self::Thunderbird => lang.t("Thunderbird am Computer", "Thunderbird on a computer"),
            Self::Outlook => "Outlook",
            Self::Mac => lang.t("Mail am Mac", "Mail on a Mac"),
            Self::Other => lang.t("Etwas anderes", "Something else"),
        }
    }

    /// What it is set up with.
    pub(in crate::web) fn hint(self, lang: Lang) -> &'static str {
        match self {
            Self::Iphone => lang.t("Richtet sich mit der Kamera ein", "Set up with its camera"),
            Self::Android => "Thunderbird, K-9 Mail, FairEmail",
            Self::Thunderbird => lang.t("Windows, Mac und Linux", "Windows, Mac and Linux"),
            Self::Outlook => lang.t("Windows und Mac", "Windows and Mac"),
            Self::Mac => lang.t("Richtet sich mit einem Profil ein", "Set up with a profile"),
            Self::Other => lang.t(
                "Server und Ports zum Abtippen",
                "Servers and ports to type in",
            ),
        }
    }

    /// Whether it takes an Apple profile.
    pub(in crate::web) fn takes_profile(self) -> bool {
        matches!(self, Self::Iphone | Self::Mac)
    }

    /// Whether it is a phone, which fetches its data by a QR code.
    pub(in crate::web) fn is_phone(self) -> bool {
        matches!(self, Self::Iphone | Self::Android)
    }
}

/// What to do in a program of that kind. `own` tells that the box's certificate is its own.
pub(in crate::web) fn steps(frame: &Frame, kind: Kind, own: bool) -> Markup {
    let lines = lines(frame.lang, kind);
    html! {
        ol.steps {
            @for line in lines { li { (line) } }
            @if own && let Some(line) = trust_line(frame.lang, kind) { li { (line) } }
        }
        @if own && !kind.takes_profile() {
            p.hint {
                (frame.t(
                    "Fragt das Programm, ob es dem Zertifikat vertrauen soll? Die Box hat sich ihres selbst ausgestellt.",
                    "Does the program ask whether to trust the certificate? The box has made its own.",
                )) " "
                a href="/authority/" { (frame.t("So geht es ohne Nachfrage", "How to do without that question")) }
            }
        }
    }
}

fn lines(lang: Lang, kind: Kind) -> Vec<&'static str> {
    match kind {
        Kind::Iphone => vec![
            lang.t("Öffnen Sie die Kamera und halten Sie sie auf den Code. Tippen Sie auf den Link.", "Open the camera and point it at the code. Tap the link."),
            lang.t("Warnt Safari vor der Verbindung, tippen Sie auf „Details“ und „Diese Website öffnen“.", "If Safari warns about the connection, tap \"Show Details\" and \"visit this website\"."),
            lang.t("Tippen Sie auf „Profil laden“ und auf „Zulassen“.", "Tap \"Load the profile\" and \"Allow\"."),
            lang.t("Öffnen Sie Einstellungen, „Profil geladen“, und tippen Sie auf „Installieren“. Das Profil ist nicht signiert; das ist hier in Ordnung.", "Open Settings, \"Profile Downloaded\", and tap \"Install\". The profile is not signed; that is fine here."),
        ],
        Kind::Mac => vec![
            lang.t("Laden Sie das Profil und öffnen Sie es.", "Load the profile and open it."),
            lang.t("Öffnen Sie Systemeinstellungen, suchen Sie „Profile“ und doppelklicken Sie auf Heimpost, dann „Installieren“. Das Profil ist nicht signiert; das ist hier in Ordnung.", "Open System Settings, search for \"Profiles\", double-click Heimpost, then \"Install\". The profile is not signed; that is fine here."),
        ],
        Kind::Android => vec![
            lang.t("Halten Sie die Kamera auf den Code und öffnen Sie den Link: Dort stehen Adresse und Passwort zum Kopieren.", "Point the camera at the code and open the link: address and password are there to copy."),
            lang.t("Öffnen Sie Ihr Mailprogramm und wählen Sie „Konto hinzufügen“.", "Open your mail program and choose \"Add account\"."),
            lang.t("Fügen Sie Adresse und App-Passwort ein. Server und Ports findet das Programm selbst; wenn nicht, stehen sie unten.", "Paste address and app password. The program finds servers and ports by itself; if not, they are below."),
        ],
        Kind::Thunderbird => vec![
            lang.t("Wählen Sie „Konto hinzufügen“ oder „Neu“, „Bestehendes E-Mail-Konto“.", "Choose \"Add account\", or \"New\", \"Existing Mail Account\"."),
            lang.t("Geben Sie Ihren Namen, die Adresse und das App-Passwort ein und drücken Sie „Weiter“.", "Type your name, the address and the app password, and press \"Continue\"."),
            lang.t("Thunderbird findet Server und Ports selbst. Drücken Sie „Fertig“.", "Thunderbird finds servers and ports by itself. Press \"Done\"."),
        ],
        Kind::Outlook => vec![
            lang.t("Wählen Sie „Datei“, „Konto hinzufügen“ und geben Sie die Adresse ein.", "Choose \"File\", \"Add Account\" and type the address."),
            lang.t("Findet Outlook die Server nicht, wählen Sie „Erweiterte Optionen“, „IMAP“, und tippen Sie die Angaben unten ab.", "If Outlook does not find the servers, choose \"Advanced options\", \"IMAP\", and type in what is below."),
            lang.t("Geben Sie als Passwort das App-Passwort ein.", "As the password, type the app password."),
        ],
        Kind::Other => vec![
            lang.t("Legen Sie im Programm ein neues Konto an und wählen Sie IMAP.", "Add an account in the program and choose IMAP."),
            lang.t("Tippen Sie die Angaben unten ab; das Passwort ist das App-Passwort.", "Type in what is below; the password is the app password."),
        ],
    }
}

/// What devices that take a profile need besides, when it brings an authority.
fn trust_line(lang: Lang, kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Iphone => Some(lang.t(
            "Zuletzt: Einstellungen, „Allgemein“, „Info“, „Zertifikatsvertrauen“, und schalten Sie Heimpost ein.",
            "Last: Settings, \"General\", \"About\", \"Certificate Trust Settings\", and switch Heimpost on.",
        )),
        Kind::Mac | Kind::Android | Kind::Thunderbird | Kind::Outlook | Kind::Other => None,
    }
}
