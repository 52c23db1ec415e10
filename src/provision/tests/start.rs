//! Whole starts on a card in a directory, with the plug pulled after any step.

use super::*;

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
        (include_str!("../../../image/boot/LED.txt"), 33),
        (include_str!("../../../image/boot/LIESMICH.txt"), 80),
        (include_str!("../../../image/boot/README.txt"), 80),
        (include_str!("../../../image/boot/heimpost.toml"), 80),
    ] {
        assert!(text.ends_with("\r\n") && text.len() < 4096);
        for line in text.split_terminator("\r\n") {
            assert!(!line.contains(['\r', '\n', '\t']), "{line}");
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}
