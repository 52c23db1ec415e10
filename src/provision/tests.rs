//! Files as Imager writes them, what follows from them, and pulled plugs.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::*;
use crate::auth::{Auth, Outcome, Request};
use crate::clock::{Clock, Wall};
use crate::config::stored::Written;
use crate::mail::secret::Secret;
use crate::store::{Options, Store};
use preseed::Security;

const WHOLE: &str = include_str!("../../tests/preseed/whole.toml");

/// What a file asks for, in lines; secrets by their kind.
fn summary(text: &str) -> String {
    let preseed = match preseed::parse(text) {
        Ok(preseed) => preseed,
        Err(error) => return format!("refused: {error}"),
    };
    let mut lines = Vec::new();
    lines.extend(preseed.hostname.map(|name| format!("hostname {name}")));
    lines.extend(preseed.user.map(|user| {
        let kind = match user.password {
            preseed::Password::Plain(_) => "password",
            preseed::Password::Hash(_) => "hash",
        };
        format!("user {} {kind}", user.name)
    }));
    lines.extend(preseed.ssh_keys.iter().map(|key| format!("ssh {key}")));
    lines.extend(preseed.wifi.map(|wifi| {
        let kind = match wifi.security {
            Security::Open => "open",
            Security::Owe => "owe",
            Security::Psk(_) => "psk",
            Security::Sae(_) => "sae",
        };
        let (country, ssid) = (wifi.country.unwrap_or_default(), wifi.ssid.escape_ascii());
        format!("wifi {ssid} {kind} {country} hidden={}", wifi.hidden)
    }));
    lines.extend(preseed.time_zone.map(|name| format!("zone {name}")));
    lines.extend(
        preseed
            .language
            .map(|language| format!("language {language:?}")),
    );
    lines.extend(preseed.notes.iter().map(|note| format!("- {note}")));
    lines.join("\n")
}

#[test]
fn what_imager_writes() {
    insta::assert_snapshot!(summary(WHOLE), @r#"
    hostname postkasten
    user anna hash
    ssh ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbZc3Nob3VsZG5vdGJldXNlZGFueXdoZXJlZWxzZQ== anna@laptop
    wifi Zuhause bei \"M\xc3\xbcller\" psk DE hidden=false
    zone Europe/Berlin
    language De
    - connect.enabled: means nothing here
    - connect.mode: means nothing here
    - connect.token: means nothing here
    - interfaces.i2c: means nothing here
    - interfaces.serial: means nothing here
    - user.groups: means nothing here
    - user.passwordless_sudo: means nothing here
    "#);
    insta::assert_snapshot!(summary(include_str!("../../tests/preseed/old-release-date.toml")), @r#"
    user pi hash
    zone Europe/London
    - user.groups: means nothing here
    "#);
    insta::assert_snapshot!(summary(include_str!("../../tests/preseed/open-network.toml")), @r#"
    wifi OpenNet open GB hidden=true
    "#);
    insta::assert_snapshot!(summary(include_str!("../../tests/preseed/octets.toml")), @r#"
    hostname mail-box
    wifi \xff\xfeAB psk AT hidden=false
    - ssh.password_authentication: SSH lets in keys only, never passwords
    - ssh.authorized_keys: a key is missing, or is none
    "#);
}

#[test]
fn what_people_write() {
    insta::assert_snapshot!(summary(include_str!("../../tests/preseed/by-hand.toml")), @r#"
    ssh ssh-ed25519 AAAA anna
    language De
    - colour: unknown, ignored
    - debug: means nothing here
    - future.thing: unknown, ignored
    - packages.install: means nothing here
    - runcmd.early: commands are never run
    - runcmd.late: commands are never run
    - system.hostname: no name for a box; a to z, digits and dashes are right
    - user.name: no address can begin so; anna, for instance, is right
    - ssh.authorized_keys: a key is missing, or is none
    - wlan.country: no country; DE, for instance, is right
    - wlan.password: no wireless password (8 to 63 characters, none for open networks)
    - locale.timezone: no time zone; Europe/Berlin, for instance, is right
    "#);
    insta::assert_snapshot!(summary(include_str!("../../tests/preseed/wpa3.toml")), @r#"
    wifi IEEE sae  hidden=false
    - user.password: password is shorter than 8 characters
    "#);
    insta::assert_snapshot!(summary(&WHOLE.replace('\n', "\r\n")), @r#"
    hostname postkasten
    user anna hash
    ssh ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBbZc3Nob3VsZG5vdGJldXNlZGFueXdoZXJlZWxzZQ== anna@laptop
    wifi Zuhause bei \"M\xc3\xbcller\" psk DE hidden=false
    zone Europe/Berlin
    language De
    - connect.enabled: means nothing here
    - connect.mode: means nothing here
    - connect.token: means nothing here
    - interfaces.i2c: means nothing here
    - interfaces.serial: means nothing here
    - user.groups: means nothing here
    - user.passwordless_sudo: means nothing here
    "#);
}

#[test]
fn what_is_refused_whole() {
    let table = [
        ("", "config_version is missing; \"1.0\" is right"),
        ("config_version = 1.0", "config_version is not 1.x"),
        ("config_version = \"2.0\"", "config_version is not 1.x"),
        ("config_version = \"1.x\"", "config_version is not 1.x"),
        (
            "config_version = \"1.0\"\n[user]\npassword = \"hunter2",
            "line 3: ",
        ),
        ("config_version = \"1.0\"\n[user]\n[user]\n", "line 3: "),
    ];
    for (text, expected) in table {
        let told = summary(text);
        let told = told.strip_prefix("refused: ").expect(text);
        assert!(told.starts_with(expected), "{text}: {told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
    for newer in ["1", "1.0", "1.7"] {
        assert_eq!(summary(&format!("config_version = \"{newer}\"")), "");
    }
}

#[test]
fn a_box_has_a_name_of_its_own() {
    let check =
        |serial: Option<&str>, mac: Option<&str>, kept: Option<&str>, expected: Option<&str>| {
            let facts = Facts {
                serial: serial.map(str::to_owned),
                mac: mac.map(str::to_owned),
                hostname: kept.map(str::to_owned),
                ..Facts::default()
            };
            let plan = plan::plan(&facts, None);
            let mut files = plan.files.iter();
            let file = files.find(|file| file.path == plan::HOSTNAME);
            let expected = expected.map(|name| format!("{name}\n"));
            assert_eq!(file.map(|file| file.text.clone()), expected);
        };
    check(
        Some("10000000A1B2C3D4"),
        Some("b8:27:eb:00:12:34"),
        None,
        Some("heimpost-c3d4"),
    );
    check(None, Some("b8:27:eb:00:12:34"), None, Some("heimpost-1234"));
    check(
        Some("0000000000000000"),
        Some("b8:27:eb:00:12:34"),
        None,
        Some("heimpost-1234"),
    );
    check(Some("?"), None, None, None);
    check(
        Some("10000000a1b2c3d4"),
        None,
        Some("postkasten"),
        Some("postkasten"),
    );
}

#[test]
fn networks_as_wpa_supplicant_reads_them() {
    let wifi = |text: &str| {
        let preseed = preseed::parse(text).unwrap();
        let plan = plan::plan(&Facts::default(), Some(&preseed));
        let file = plan
            .files
            .into_iter()
            .find(|file| file.path == plan::WIFI)
            .unwrap();
        assert_eq!(file.mode, 0o600);
        file.text
    };
    insta::assert_snapshot!(wifi(include_str!("../../tests/preseed/octets.toml")), @r#"
    # As Raspberry Pi Imager was told.
    ctrl_interface=DIR=/run/wpa_supplicant
    country=AT
    network={
    	ssid=fffe4142
    	key_mgmt=WPA-PSK
    	psk=307857addceb8bbd11cf26a1d5873334e980d95ed8ee691cf9ef76dd3f347744
    }
    "#);
    insta::assert_snapshot!(wifi(include_str!("../../tests/preseed/open-network.toml")), @r#"
    # As Raspberry Pi Imager was told.
    ctrl_interface=DIR=/run/wpa_supplicant
    country=GB
    network={
    	ssid=4f70656e4e6574
    	scan_ssid=1
    	key_mgmt=NONE
    }
    "#);
    insta::assert_snapshot!(wifi(include_str!("../../tests/preseed/wpa3.toml")), @r#"
    # As Raspberry Pi Imager was told.
    ctrl_interface=DIR=/run/wpa_supplicant
    network={
    	ssid=49454545
    	key_mgmt=SAE
    	ieee80211w=2
    	sae_password=612070687261736520666f722057504133
    }
    "#);
    // IEEE 802.11 J.4.2, test vector 1.
    let text = "config_version = \"1.0\"\n[wlan]\nssid = \"IEEE\"\npassword = \"password\"\n";
    let key = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e";
    assert!(wifi(text).contains(key));
}

/// What becomes of the settings: `kept`, or what is written; then what is told.
fn settings(card: Option<&str>, kept: Option<&str>) -> (String, String) {
    let facts = Facts {
        config: kept.map(str::to_owned),
        card_config: card.map(|text| Ok(text.to_owned())),
        ..Facts::default()
    };
    let plan = plan::plan(&facts, None);
    let mut files = plan.files.into_iter();
    let file = files.find(|file| file.path == plan::CONFIG);
    let text = file.map_or_else(|| "kept".to_owned(), |file| file.text);
    (text, plan.config_page.unwrap_or_default())
}

#[test]
fn settings_on_the_card() {
    let (empty, page) = settings(None, None);
    assert!(empty.starts_with("# Heimpost") && page.is_empty());
    assert_eq!(settings(None, Some("x")).0, "kept");
    assert_eq!(settings(Some("# nothing\r\n"), Some("x")).0, "kept");
    let (written, page) = settings(Some("\u{feff}domains = [\"a.test\"]\r\n"), Some("x"));
    assert!(written.starts_with("domains = [\"a.test\"]\r\n# From") && page.is_empty());
    // Taken out on the card, it is taken out here too.
    assert_eq!(settings(Some("# nothing\n"), Some(&written)).0, empty);
    let (kept, page) = settings(Some("language = \"de\"\ncolour = 1\n"), Some(&written));
    assert_eq!(kept, "kept");
    assert!(
        page.contains("heimpost.toml, line 2: ") && page.contains("colour"),
        "{page}"
    );
    assert_eq!(settings(Some("colour = 1"), None).0, empty);
}

/// The template is empty as it is, and right with everything in it switched on.
#[test]
fn the_template_on_the_card() {
    let template = include_str!("../../image/boot/heimpost.toml");
    assert!(template.parse::<toml::Table>().unwrap().is_empty());
    let (kept, page) = settings(Some(template), Some("x"));
    assert_eq!((kept.as_str(), page.as_str()), ("kept", ""));
    let is_setting = |line: &&str| !line.starts_with("# ") && *line != "#";
    let lines = template.lines().filter(is_setting);
    let on: Vec<&str> = lines
        .map(|line| line.strip_prefix('#').unwrap_or(line))
        .collect();
    let (written, page) = settings(Some(&on.join("\n")), Some("x"));
    assert_eq!(page, "");
    assert!(written.contains("\ndomains = ["), "{written}");
}

/// A card, a system and a store in a directory.
struct Board {
    dir: tempfile::TempDir,
}

/// Stops after so many steps, as a pulled plug does.
struct Plug<'a> {
    board: &'a Board,
    steps_left: usize,
    said: Vec<String>,
    mounts: Vec<Mount>,
}

impl Hands for Plug<'_> {
    fn step(&mut self) -> io::Result<()> {
        self.steps_left = self
            .steps_left
            .checked_sub(1)
            .ok_or_else(|| io::Error::other("cut"))?;
        Ok(())
    }

    fn remount(&mut self, _: &Path, how: Mount) -> io::Result<()> {
        self.mounts.push(how);
        Ok(())
    }

    fn furnish(&mut self, wishes: &Wishes) -> Result<Furnished, house::Error> {
        let written = Written::load(Some(&self.board.root().join(plan::CONFIG)), None)?;
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        house::furnish(&self.board.store(), &written, wishes, now)
    }

    fn say(&mut self, line: &str) {
        self.said.push(line.to_owned());
    }
}

impl Board {
    fn new(card: &[(&str, &str)]) -> Self {
        let board = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for dir in ["boot", "root/proc/device-tree", "data"] {
            fs::create_dir_all(board.dir.path().join(dir)).unwrap();
        }
        let serial = board.root().join("proc/device-tree/serial-number");
        fs::write(serial, "10000000a1b2c3d4\0").unwrap();
        for (name, text) in card {
            board.put(name, text);
        }
        board
    }

    fn boot(&self) -> PathBuf {
        self.dir.path().join("boot")
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.boot().join(name), text).unwrap();
    }

    fn store(&self) -> Store {
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        Store::open(&self.dir.path().join("data"), &Options::default(), now).unwrap()
    }

    /// Runs it with so many steps until the plug is pulled; what was said.
    fn run(&self, steps: usize) -> (Result<(), Error>, Vec<String>) {
        let mut plug = Plug {
            board: self,
            steps_left: steps,
            said: Vec::new(),
            mounts: Vec::new(),
        };
        let (boot, root) = (self.boot(), self.root());
        let places = Places {
            boot: &boot,
            root: &root,
        };
        let done = run(places, &mut plug);
        assert_ne!(plug.mounts.last(), Some(&Mount::Writable), "left writable");
        (done, plug.said)
    }

    /// All files of card and system but those beside their places.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let mut dirs = vec![self.boot(), self.root().join("data")];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    dirs.push(path);
                } else {
                    let name = path.strip_prefix(self.dir.path()).unwrap();
                    let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    files.insert(name.display().to_string(), text);
                }
            }
        }
        files.retain(|name, _| !name.contains(".new"));
        files
    }

    /// Whether that login is let in.
    fn lets_in(&self, login: &str, password: &str) -> bool {
        let request = Request::Password {
            login: login.to_owned(),
            password: Secret::new(password.to_owned()),
            from: "192.0.2.1".parse().unwrap(),
        };
        let now = Clock::virtual_at(Wall(1_800_000_000)).now();
        matches!(
            Auth::new(self.store()).verify(&request, now),
            Outcome::Granted(_)
        )
    }
}

const SECRETS: &[&str] = &["$y$jB5$", "rpuak-very-secret-token"];

#[test]
fn a_card_as_imager_left_it() {
    let board = Board::new(&[
        ("rpi-preseed.toml", WHOLE),
        ("heimpost.toml", "# nothing\n"),
    ]);
    let (done, said) = board.run(usize::MAX);
    done.unwrap();
    insta::assert_snapshot!(said.join("\n"), @r#"
    wrote /data/etc/hostname
    wrote /data/etc/heimpost/heimpost.toml
    wrote /data/etc/timezone
    wrote /data/etc/wpa_supplicant/wpa_supplicant-wlan0.conf
    wrote /data/etc/ssh/authorized_keys
    made the first account, anna@postkasten.local
    connect.enabled: means nothing here
    connect.mode: means nothing here
    connect.token: means nothing here
    interfaces.i2c: means nothing here
    interfaces.serial: means nothing here
    user.groups: means nothing here
    user.passwordless_sudo: means nothing here
    rpi-preseed.toml was used and removed
    "#);
    let files = board.files();
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    insta::assert_snapshot!(names.join("\n"), @r#"
    boot/heimpost.toml
    root/data/etc/heimpost/heimpost.toml
    root/data/etc/hostname
    root/data/etc/ssh/authorized_keys
    root/data/etc/timezone
    root/data/etc/wpa_supplicant/wpa_supplicant-wlan0.conf
    "#);
    for (name, text) in &files {
        assert!(
            !SECRETS.iter().any(|secret| text.contains(secret)),
            "{name}"
        );
    }
    assert!(board.lets_in("anna@postkasten.local", "correct horse"));
    let settings = board
        .store()
        .snapshot()
        .unwrap()
        .setting("settings.toml")
        .unwrap();
    insta::assert_snapshot!(String::from_utf8(settings.unwrap()).unwrap(), @r#"
    domains = ["postkasten.local"]
    language = "de"
    time_zone = "Europe/Berlin"
    "#);
    // The next start has nothing to do.
    let (done, said) = board.run(usize::MAX);
    done.unwrap();
    assert_eq!((said, board.files()), (Vec::new(), files));
}

/// Wherever the plug is pulled, the next start does the rest, and the secrets are gone.
#[test]
fn a_plug_pulled_after_each_step() {
    // A hash that is quick to check.
    let mut lines = WHOLE.lines();
    let hash = lines.find(|line| line.starts_with("password = \"$y$"));
    let quick = "password = \"$5$abcdefghij$OLkFN7NA2oqJbIibcqI8zeXBmTC95cSbPqJfdioIIgD\"";
    let preseed = WHOLE.replace(hash.unwrap(), quick);
    let card = [
        ("rpi-preseed.toml", preseed.as_str()),
        ("heimpost.toml", "language = \"de\"\nlanguage = 1\n"),
        ("firstrun.sh", "#!/bin/sh\n"),
    ];
    let whole = Board::new(&card);
    whole.run(usize::MAX).0.unwrap();
    let expected = whole.files();
    let mut steps = 0;
    loop {
        let board = Board::new(&card);
        let is_done = board.run(steps).0.is_ok();
        board.run(usize::MAX).0.unwrap();
        assert_eq!(board.files(), expected, "{steps} steps");
        assert!(
            board.lets_in("anna@postkasten.local", "correct horse"),
            "{steps} steps"
        );
        if is_done {
            break;
        }
        steps += 1;
    }
    assert!(steps > 15, "{steps}");
}

/// The account is there, its password is not: as if the power was cut between the two commits.
#[test]
fn an_account_without_password_gets_it() {
    let board = Board::new(&[("rpi-preseed.toml", WHOLE)]);
    let new = crate::store::NewAccount {
        address: crate::mail::address::Address::parse("anna@postkasten.local").unwrap(),
        owner: true,
        language: crate::store::types::Language::De,
        quota_bytes: None,
    };
    let now = Clock::virtual_at(Wall(1_800_000_000)).now();
    board.store().add_account(&new, now).unwrap();
    board.run(usize::MAX).0.unwrap();
    assert!(board.lets_in("anna@postkasten.local", "correct horse"));
    // A second card changes nobody's password.
    board.put("rpi-preseed.toml", &WHOLE.replace("anna", "eve"));
    let (done, said) = board.run(usize::MAX);
    done.unwrap();
    assert!(
        said.iter()
            .any(|line| line.starts_with("user.name: there is an account")),
        "{said:?}"
    );
    assert_eq!(
        board.store().snapshot().unwrap().accounts().unwrap().len(),
        1
    );
}

#[test]
fn what_cannot_be_read_stays_and_is_told() {
    let board = Board::new(&[("rpi-preseed.toml", "config_version = \"1.0\"\n[user\n")]);
    board.run(usize::MAX).0.unwrap();
    let page = board.files().remove("boot/rpi-preseed.error.txt").unwrap();
    assert!(page.contains("rpi-preseed.toml: line 2: "), "{page}");
    assert!(board.files().contains_key("boot/rpi-preseed.toml"));
    // Put right, it is used, and nothing is told any more.
    board.put("rpi-preseed.toml", WHOLE);
    board.run(usize::MAX).0.unwrap();
    let files = board.files();
    assert!(!files.contains_key("boot/rpi-preseed.error.txt"));
    assert_eq!(files.get("root/data/etc/hostname").unwrap(), "postkasten\n");
}

#[test]
fn the_code_is_copied_when_it_differs() {
    let board = Board::new(&[]);
    let from = board.root().join("code");
    let mut copied = Vec::new();
    for text in [None, Some("A"), Some("A"), Some("B")] {
        if let Some(text) = text {
            fs::write(&from, text).unwrap();
        }
        let mut plug = Plug {
            board: &board,
            steps_left: usize::MAX,
            said: Vec::new(),
            mounts: Vec::new(),
        };
        copy_code(&from, &board.boot(), &mut plug).unwrap();
        copied.push((
            plug.mounts.len(),
            board.files().remove("boot/setup-code.txt"),
        ));
    }
    let file = |text: &str| Some(text.to_owned());
    assert_eq!(
        copied,
        [(0, None), (2, file("A")), (0, file("A")), (2, file("B"))]
    );
}

/// Old editors know no other line ends, and a phone is narrow.
#[test]
fn texts_on_the_card_can_be_read_anywhere() {
    for (text, width) in [
        (include_str!("../../image/boot/LED.txt"), 33),
        (include_str!("../../image/boot/LIESMICH.txt"), 80),
        (include_str!("../../image/boot/README.txt"), 80),
        (include_str!("../../image/boot/heimpost.toml"), 80),
    ] {
        assert!(text.ends_with("\r\n") && text.len() < 4096);
        for line in text.split_terminator("\r\n") {
            assert!(!line.contains(['\r', '\n', '\t']), "{line}");
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}

proptest::proptest! {
    /// Whatever stands in the file, it is read or refused, and nothing that is said shows a secret.
    #[test]
    fn any_file_is_read_or_refused(at in 0..WHOLE.len(), cut in 0..40_usize, put in "[ -~\\n\"]{0,8}") {
        let bytes = WHOLE.as_bytes();
        let mut text = bytes[..at].to_vec();
        text.extend(put.as_bytes());
        text.extend(&bytes[(at + cut).min(bytes.len())..]);
        let text = String::from_utf8_lossy(&text);
        let told = match preseed::parse(&text) {
            Ok(preseed) => {
                let plan = plan::plan(&Facts::default(), Some(&preseed));
                proptest::prop_assert!(plan.files.iter().all(|file| !file.text.contains('\0')));
                note::page("", &preseed.notes).unwrap_or_default()
            }
            Err(error) => error.to_string(),
        };
        proptest::prop_assert!(!told.contains("mIos"), "{}", told);
    }
}
