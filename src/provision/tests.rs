//! Files as Imager writes them, what follows from them, and pulled plugs.

mod start;

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
