//! Settings that the owner made on the page: a TOML document in the store, laid under what the file says.
//!
//! What the file sets is fixed: it wins, key by key, and the page shows it as locked. The keys of `[relay]` itself make one
//! smarthost and go together, so that a login never meets another host; a list is one key. The document has the file's
//! keys, and the same checks hold for both together. What belongs to the machine rather than to the mail (paths, ports)
//! is the file's alone; a smarthost's password is the document's alone.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::{Error, SYSTEM_FILE, Settings, check, fragment, parse, read, settings};

/// Name of the store's setting that holds the document.
pub const SETTING: &str = "settings.toml";

/// What only the file may say.
const FILE_ONLY: &[&str] = &[
    "data",
    "listen",
    "tls",
    "relay.password_file",
    "room.hooks",
    "dns.trust_anchor",
    "setup",
];

/// The keys that make one smarthost.
const SMARTHOST: &[&str] = &[
    "relay.preset",
    "relay.host",
    "relay.port",
    "relay.tls",
    "relay.user",
    "relay.password_file",
    "relay.password",
];

/// What the configuration file and the command line say, kept so that the owner's settings can be laid under it.
#[derive(Clone, Debug, Default)]
pub struct Written {
    name: String,
    text: Option<String>,
    data: Option<PathBuf>,
    system: Option<PathBuf>,
}

impl Written {
    /// Finds and reads the configuration: `file` if given, else [`SYSTEM_FILE`] if it exists, else the desk profile.
    /// `data`, where given, replaces the data directory of the file.
    pub fn load(file: Option<&Path>, data: Option<&Path>) -> Result<Self, Error> {
        let system = Path::new(SYSTEM_FILE);
        let file = file.or_else(|| system.exists().then_some(system));
        let text = file.map(read).transpose()?;
        Ok(Self {
            name: file.map_or_else(String::new, |file| file.display().to_string()),
            text,
            data: data.map(Path::to_owned),
            system: None,
        })
    }

    /// A file with this text; `name` is used in errors.
    pub fn of_text(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            text: Some(text.to_owned()),
            data: None,
            system: None,
        }
    }

    /// The same on a system that a test made.
    #[must_use]
    pub fn on_system(self, system: &Path) -> Self {
        Self {
            system: Some(system.to_owned()),
            ..self
        }
    }

    /// The settings without any of the owner's.
    pub fn alone(&self) -> Result<Settings, Error> {
        let settings = match &self.text {
            Some(text) => parse(&self.name, text)?,
            None => Settings::desk(),
        };
        Ok(self.placed(settings))
    }

    /// The settings with the owner's laid under the file's.
    pub fn with(&self, stored: &Stored) -> Result<Settings, Error> {
        self.alone()?;
        let mut merged = self.table();
        let mut owners = stored.0.clone();
        if self.sets_smarthost() {
            take_smarthost(&mut owners);
        }
        lay_under(&mut merged, owners);
        let text = toml::to_string(&merged).map_err(|error| wrong(&error.to_string()))?;
        let fragment = fragment::parse(&text).map_err(|(_, problem)| wrong(&problem))?;
        let standard = match &self.text {
            Some(_) => Settings::appliance(),
            None => Settings::desk(),
        };
        let settings = check::check(fragment, standard).map_err(|(_, problem)| wrong(&problem))?;
        Ok(self.placed(settings))
    }

    /// Dotted keys that the file sets, such as `relay.host`; the page shows them as locked.
    pub fn locked(&self) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        collect_keys("", &self.table(), &mut keys);
        if self.sets_smarthost() {
            keys.extend(SMARTHOST.iter().map(|&key| key.to_owned()));
        }
        keys
    }

    /// A text that is no TOML is told by [`Written::alone`].
    fn table(&self) -> Table {
        let text = self.text.as_deref().unwrap_or_default();
        text.parse().unwrap_or_default()
    }

    fn sets_smarthost(&self) -> bool {
        let table = self.table();
        SMARTHOST.iter().any(|key| find(&table, key).is_some())
    }

    /// With the data directory of the command line.
    fn placed(&self, mut settings: Settings) -> Settings {
        if let Some(data) = &self.data {
            settings.data.clone_from(data);
            if self.text.is_none() {
                settings.room.hooks = settings.data.join(settings::DESK_HOOKS);
            }
        }
        if let Some(system) = &self.system {
            settings.backup.system.clone_from(system);
        }
        settings
    }
}

/// The owner's settings.
#[derive(Clone, Default, PartialEq)]
pub struct Stored(Table);

/// Which keys, and no values: there may be a password among them.
impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut keys = BTreeSet::new();
        collect_keys("", &self.0, &mut keys);
        f.debug_tuple("Stored").field(&keys).finish()
    }
}

impl Stored {
    /// The document in the store; one that cannot be read is an error, and nothing is lost.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let text = std::str::from_utf8(bytes).map_err(|error| wrong(&error.to_string()))?;
        // The whole error would show the line, and with it a password.
        let table: Table = text
            .parse()
            .map_err(|error: toml::de::Error| wrong(error.message()))?;
        let mut forbidden = FILE_ONLY.iter().filter(|key| find(&table, key).is_some());
        if let Some(key) = forbidden.next() {
            return Err(wrong(&format!("{key} is for the configuration file only")));
        }
        if names_password_file(&table) {
            return Err(wrong(
                "relay.sender.password_file is for the configuration file only",
            ));
        }
        Ok(Self(table))
    }

    /// As the store keeps it.
    pub fn to_bytes(&self) -> Vec<u8> {
        toml::to_string(&self.0).unwrap_or_default().into_bytes()
    }

    /// What a dotted key holds.
    pub fn get(&self, key: &str) -> Option<&Value> {
        find(&self.0, key)
    }

    /// Sets a dotted key, or takes it out.
    pub fn set(&mut self, key: &str, value: Option<Value>) {
        set(&mut self.0, key, value);
    }
}

fn wrong(problem: &str) -> Error {
    Error::Stored {
        problem: problem.to_owned(),
    }
}

fn find<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => table.get(key),
        Some((first, rest)) => find(table.get(first)?.as_table()?, rest),
    }
}

fn set(table: &mut Table, key: &str, value: Option<Value>) {
    let Some((first, rest)) = key.split_once('.') else {
        match value {
            Some(value) => drop(table.insert(key.to_owned(), value)),
            None => drop(table.remove(key)),
        }
        return;
    };
    let entry = table.entry(first).or_insert_with(|| Table::new().into());
    if !entry.is_table() {
        *entry = Table::new().into();
    }
    if let Value::Table(inner) = entry {
        set(inner, rest, value);
        if inner.is_empty() {
            table.remove(first);
        }
    }
}

fn take_smarthost(table: &mut Table) {
    for key in SMARTHOST {
        set(table, key, None);
    }
}

/// Whatever `upper` does not say comes from `lower`.
fn lay_under(upper: &mut Table, lower: Table) {
    for (key, value) in lower {
        match (upper.get_mut(&key), value) {
            (None, value) => drop(upper.insert(key, value)),
            (Some(Value::Table(upper)), Value::Table(lower)) => lay_under(upper, lower),
            (Some(_), _) => {}
        }
    }
}

/// The dotted keys of all values.
fn collect_keys(prefix: &str, table: &Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(inner) => collect_keys(&format!("{key}."), inner, keys),
            Value::String(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Boolean(_)
            | Value::Datetime(_)
            | Value::Array(_) => drop(keys.insert(key)),
        }
    }
}

fn names_password_file(table: &Table) -> bool {
    let senders = find(table, "relay.sender").and_then(Value::as_array);
    let mut senders = senders.into_iter().flatten();
    senders.any(|one| one.get("password_file").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::relay::Password;

    fn stored(text: &str) -> Stored {
        Stored::parse(text.as_bytes()).unwrap()
    }

    fn with(file: &str, owners: &str) -> Result<Settings, String> {
        let written = Written::of_text("t.toml", file);
        let settings = Stored::parse(owners.as_bytes()).and_then(|owners| written.with(&owners));
        settings.map_err(|error| error.to_string())
    }

    #[test]
    fn the_file_wins_key_by_key() {
        let settings = with(
            "hostname = \"file.test\"\n[room]\ntrash_days = 1\n",
            "hostname = \"page.test\"\nlanguage = \"de\"\n[room]\ntrash_days = 2\njunk_days = 3\n",
        );
        let settings = settings.unwrap();
        assert_eq!(settings.hostname.as_str(), "file.test");
        assert_eq!(settings.language, crate::store::types::Language::De);
        assert_eq!((settings.room.trash_days, settings.room.junk_days), (1, 3));
    }

    #[test]
    fn a_smarthost_is_the_files_or_the_owners() {
        let owners = "[relay]\npreset = \"gmx\"\nuser = \"a\"\npassword = \"secret\"\n";
        let relay = with("", owners).unwrap().relay;
        let login = relay.default.unwrap().login.unwrap();
        assert!(matches!(login.password, Password::Given(ref it) if it.expose() == "secret"));
        assert!(!format!("{login:?}").contains("secret"));
        let relay = with("[relay]\nhost = \"a.test\"\n", owners).unwrap().relay;
        assert_eq!(relay.default.unwrap().name, "a.test:587");
        let locked = Written::of_text("t", "domains = [\"a.test\"]\n[relay]\nhost = \"a.test\"\n");
        let locked = locked.locked();
        assert!(
            ["domains", "relay.host", "relay.password"]
                .iter()
                .all(|key| locked.contains(*key))
        );
        assert!(!locked.contains("relay.sender"));
    }

    #[test]
    fn what_the_document_may_not_say() {
        let table = [
            ("data = \"/x\"", "data is for the configuration file only"),
            (
                "[listen]\nsmtp = []",
                "listen is for the configuration file only",
            ),
            (
                "[tls]\nkey = \"k\"",
                "tls is for the configuration file only",
            ),
            (
                "[setup]\ncode_file = \"k\"",
                "setup is for the configuration file only",
            ),
            (
                "[room]\nhooks = \"k\"",
                "room.hooks is for the configuration file only",
            ),
            (
                "[relay]\npassword_file = \"k\"",
                "relay.password_file is for the configuration file only",
            ),
            (
                "[[relay.sender]]\naddress = \"a@a.test\"\npassword_file = \"k\"",
                "relay.sender.password_file is for the configuration file only",
            ),
            ("colour = 1", "unknown field `colour`"),
            ("language = \"fr\"", "language = \"fr\""),
            ("[room]\ntrash_days = \"x\"", "room.trash_days: "),
            ("[relay]\npassword = \"x\"", "relay.host is missing"),
            (
                "[relay]\nhost = \"a.test\"\npassword = \"x\"",
                "relay.password stands alone",
            ),
        ];
        for (text, problem) in table {
            let error = with("", text).expect_err(text);
            assert!(error.starts_with(problem), "{text}: {error}");
        }
    }

    #[test]
    fn errors_show_no_password() {
        for text in [
            "[relay]\npassword = \"hunter2\nuser = 1",
            "[relay]\nuser = 1\npassword = \"hunter2\"",
        ] {
            let error = with("", text).expect_err(text);
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert_eq!(
            format!("{:?}", stored("[relay]\npassword = \"hunter2\"")),
            "Stored({\"relay.password\"})"
        );
    }

    #[test]
    fn a_desk_stays_a_desk() {
        let settings = Written::default()
            .with(&stored("domains = [\"a.test\"]"))
            .unwrap();
        assert_eq!(settings.hostname.as_str(), "a.test");
        assert_eq!(settings.listen.smtp, Settings::desk().listen.smtp);
    }

    #[test]
    fn setting_and_taking_out() {
        let mut it = Stored::default();
        it.set("room.trash_days", Some(3.into()));
        it.set("language", Some("de".into()));
        assert_eq!(it.get("room.trash_days"), Some(&Value::Integer(3)));
        assert_eq!(Stored::parse(&it.to_bytes()).unwrap(), it);
        it.set("room.trash_days", None);
        assert_eq!(it.get("room"), None);
        assert_eq!(it.to_bytes(), b"language = \"de\"\n");
    }
}
