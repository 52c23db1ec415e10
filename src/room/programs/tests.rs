//! Programs that behave and programs that do not.

use std::io::Write;
use std::process::Command;

use super::*;
use crate::clock::Wall;

/// A directory of programs that belongs to whoever runs the tests.
struct House {
    dir: tempfile::TempDir,
}

const STATE: &str = "{\"event\":\"storage-full\"}";

/// Enough for a shell to start and say something on a busy machine.
const QUICK: Limits = Limits {
    time: Duration::from_secs(4),
    grace: Duration::from_millis(300),
};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

impl House {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), 0o755);
        Self { dir }
    }

    /// Written by a process of its own: a file that another thread's child still has open cannot be run.
    fn add(&self, name: &str, script: &str, mode: u32) {
        let path = self.dir.path().join(name);
        let text = format!("#!/bin/sh\n{script}\n");
        let written = Command::new("sh")
            .args(["-c", "printf %s \"$1\" > \"$2\"", "sh"])
            .args([Path::new(&text), &path])
            .status();
        assert!(written.unwrap().success());
        set_mode(&path, mode);
    }

    fn rules() -> Rules {
        Rules {
            owners: vec![rustix::process::geteuid().as_raw()],
            run_as: Ok(RunAs::Caller),
        }
    }

    fn run_with(&self, rules: &Rules, limits: Limits) -> Report {
        let clock = Clock::virtual_at(Wall::FLOOR);
        run_all(self.dir.path(), STATE, rules, limits, &clock)
    }

    fn run(&self) -> Report {
        self.run_with(&Self::rules(), Limits::default())
    }
}

fn ran(name: &str, end: End, lines: &[&str]) -> Ran {
    Ran {
        name: name.to_owned(),
        end,
        lines: lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

#[test]
fn programs_run_in_order_with_the_state() {
    let house = House::new();
    house.add("20-second", "echo second; exit 3", 0o755);
    house.add("10-first", "cat; echo; echo err >&2", 0o700);
    house.add(".hidden", "echo no", 0o755);
    house.add("10-first~", "echo no", 0o755);
    let report = house.run();
    let expected = [
        ran("10-first", End::Exited(0), &[STATE, "err"]),
        ran("20-second", End::Exited(3), &["second"]),
    ];
    assert_eq!(report.ran, expected);
    assert!(report.skipped.is_empty(), "{report:?}");
}

#[test]
fn the_environment_is_its_own() {
    let house = House::new();
    house.add(
        "env",
        "env | grep -v '^_=\\|^PWD=\\|^SHLVL=\\|^OLDPWD=' | sort; pwd",
        0o755,
    );
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let expected = ran("env", End::Exited(0), &["LANG=C.UTF-8", path, "/"]);
    assert_eq!(house.run().ran, [expected]);
}

#[test]
fn what_others_could_have_written_does_not_run() {
    let house = House::new();
    house.add("a-group", "echo no", 0o775);
    house.add("b-world", "echo no", 0o757);
    house.add("c-plain", "echo no", 0o644);
    fs::create_dir(house.dir.path().join("d-directory")).unwrap();
    std::os::unix::fs::symlink("/bin/true", house.dir.path().join("e-link")).unwrap();
    let report = house.run();
    assert!(report.ran.is_empty());
    let skipped: Vec<(&str, &str)> = report
        .skipped
        .iter()
        .map(|(name, why)| (name.as_str(), why.as_str()))
        .collect();
    let expected = [
        ("a-group", "others than its owner can write it"),
        ("b-world", "others than its owner can write it"),
        ("c-plain", "it is not executable"),
        ("d-directory", "it is not a regular file"),
        ("e-link", "it is not a regular file"),
    ];
    assert_eq!(skipped, expected);
}

#[test]
fn an_open_directory_or_another_owner_is_refused() {
    let house = House::new();
    house.add("a", "echo no", 0o755);
    let mut rules = House::rules();
    rules.owners = vec![4_000_000_000];
    let report = house.run_with(&rules, QUICK);
    assert!(report.ran.is_empty() && report.skipped[0].1.contains("belongs to user"));
    set_mode(house.dir.path(), 0o777);
    let report = house.run();
    assert!(report.ran.is_empty() && report.skipped[0].1.contains("can write it"));
    set_mode(house.dir.path(), 0o755);
    rules = Rules {
        run_as: Err("nobody to run it as".to_owned()),
        ..House::rules()
    };
    let report = house.run_with(&rules, QUICK);
    let expected = ("a".to_owned(), "nobody to run it as".to_owned());
    assert_eq!(report.skipped, [expected]);
}

#[test]
fn no_directory_is_no_program() {
    let clock = Clock::virtual_at(Wall::FLOOR);
    let nowhere = Path::new("/nonexistent/storage-full.d");
    let report = run_all(nowhere, STATE, &House::rules(), QUICK, &clock);
    assert_eq!(report, Report::default());
}

#[test]
fn one_that_hangs_is_ended_with_all_that_it_started() {
    let house = House::new();
    // A pipe that nobody writes to: reading it takes for ever.
    let fifo = house.dir.path().join(".fifo");
    let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
    assert!(made.success());
    let hang = format!("echo before; cat {0} & cat {0}", fifo.display());
    house.add("1-hangs", &hang, 0o755);
    house.add(
        "2-ignores",
        &format!("trap '' TERM\ncat {}", fifo.display()),
        0o755,
    );
    house.add("3-leaves", &format!("cat {} &", fifo.display()), 0o755);
    let report = house.run_with(&House::rules(), QUICK);
    let expected = [
        ran("1-hangs", End::TooLong, &["before"]),
        ran("2-ignores", End::TooLong, &[]),
        ran("3-leaves", End::Exited(0), &[]),
    ];
    assert_eq!(report.ran, expected);
}

#[test]
fn endless_output_is_read_and_dropped() {
    let house = House::new();
    house.add(
        "chatty",
        "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done",
        0o755,
    );
    house.add("long", "head -c 300000 /dev/zero | tr '\\0' x", 0o755);
    let report = house.run();
    assert_eq!(report.ran[0].lines.len(), 5);
    assert_eq!(report.ran[0].lines[4], "line 4");
    assert!(report.ran.iter().all(|ran| ran.end == End::Exited(0)));
    assert!(report.ran[1].lines.iter().all(|line| line.len() == 1000));
}

#[test]
fn one_that_cannot_start_or_dies_is_told_of() {
    let house = House::new();
    house.add("1-killed", "kill -9 $$", 0o755);
    let path = house.dir.path().join("2-broken");
    fs::write(&path, "#!/nonexistent/interpreter\n").unwrap();
    set_mode(&path, 0o755);
    let report = house.run();
    assert_eq!(report.ran[0].end, End::Killed(9));
    assert!(
        matches!(report.ran[1].end, End::NotStarted(_)),
        "{report:?}"
    );
}

#[test]
fn a_state_that_nobody_reads_holds_up_nothing() {
    let house = House::new();
    house.add("deaf", "exec <&-; echo done", 0o755);
    let clock = Clock::virtual_at(Wall::FLOOR);
    let state = "x".repeat(1 << 20);
    let report = run_all(
        house.dir.path(),
        &state,
        &House::rules(),
        Limits::default(),
        &clock,
    );
    assert_eq!(report.ran, [ran("deaf", End::Exited(0), &["done"])]);
}

#[test]
fn root_gives_everything_away() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let house = House::new();
    house.add("who", "id -u; id -g; id -G", 0o755);
    let rules = Rules {
        owners: vec![0],
        run_as: Ok(RunAs::User {
            uid: 65_534,
            gid: 65_533,
        }),
    };
    let report = house.run_with(&rules, Limits::default());
    let expected = ran("who", End::Exited(0), &["65534", "65533", "65533"]);
    assert_eq!(report.ran, [expected]);
}

#[test]
fn the_hook_user_is_found() {
    let line = "heimpost-hook:x:987:986:Heimpost hooks:/:/usr/sbin/nologin\n";
    let found = Some(RunAs::User { uid: 987, gid: 986 });
    for (passwd, expected) in [
        (format!("root:x:0:0::/root:/bin/sh\n{line}"), found),
        ("heimpost-hooks:x:987:986:::\n".to_owned(), None),
        ("heimpost-hook:x:0:0:::\n".to_owned(), None),
        ("heimpost-hook:x::\n".to_owned(), None),
        (String::new(), None),
    ] {
        assert_eq!(hook_user(&passwd), expected, "{passwd}");
    }
}

#[test]
fn where_the_hook_user_is_nobody_else_runs_programs() {
    let appliance = "root:x:0:0::/root:/bin/sh\nheimpost-hook:x:990:990::/:/bin/false\n";
    let hook = RunAs::User { uid: 990, gid: 990 };
    for (user, passwd, owners, run_as) in [
        (0, appliance, vec![0], Some(hook)),
        (990, appliance, vec![0], Some(RunAs::Caller)),
        (991, appliance, vec![0], None),
        (0, "", vec![0], None),
        (1000, "", vec![0, 1000], Some(RunAs::Caller)),
    ] {
        let rules = Rules::of(user, passwd);
        assert_eq!(
            (rules.owners, rules.run_as.ok()),
            (owners, run_as),
            "{user}"
        );
    }
}

/// What the daemon hears from a helper that knows `dir` and is asked for what is in `house`.
fn ask_helper(house: &House, dir: &Path, rules: &Rules) -> Report {
    let (daemon, helper) = UnixStream::pair().unwrap();
    let clock = Clock::virtual_at(Wall::FLOOR);
    std::thread::scope(|scope| {
        let served = scope.spawn(|| helper::serve(dir, &helper, &helper, (rules, QUICK), &clock));
        let report = helper::ask(&daemon, house.dir.path(), STATE, QUICK);
        served.join().unwrap().unwrap();
        report
    })
}

#[test]
fn a_helper_runs_them_as_one_would_oneself() {
    let house = House::new();
    house.add("1-says", "cat; echo; exit 3", 0o755);
    house.add("2-open", "echo no", 0o777);
    house.add("3-dies", "kill -9 $$", 0o755);
    let report = ask_helper(&house, house.dir.path(), &House::rules());
    assert_eq!(report, house.run());
    assert_eq!((report.ran.len(), report.skipped.len()), (2, 1));
}

#[test]
fn a_helper_runs_nothing_from_elsewhere() {
    let (house, other) = (House::new(), House::new());
    house.add("a", "echo no", 0o755);
    let report = ask_helper(&house, other.dir.path(), &House::rules());
    assert!(
        report.ran.is_empty() && report.skipped.len() == 1,
        "{report:?}"
    );
    assert!(
        report.skipped[0]
            .1
            .contains(other.dir.path().to_str().unwrap())
    );
}

#[test]
fn a_helper_that_breaks_off_is_told_of() {
    let house = House::new();
    for said in [
        "",
        "{\"ran\":",
        "nonsense\n",
        "{\"skipped\":{\"name\":\"a\",\"why\":\"b\"}}\n",
    ] {
        let (daemon, mut helper) = UnixStream::pair().unwrap();
        helper.write_all(said.as_bytes()).unwrap();
        helper.shutdown(std::net::Shutdown::Write).unwrap();
        let report = helper::ask(&daemon, house.dir.path(), STATE, QUICK);
        let last = report.skipped.last().unwrap();
        assert!(last.1.contains("broke off"), "{said}: {report:?}");
    }
}

#[test]
fn who_asks_a_helper_and_goes_stops_nothing() {
    let house = House::new();
    house.add("1", "echo 1", 0o755);
    let marker = house.dir.path().join(".marker");
    house.add("2", &format!("touch {}", marker.display()), 0o755);
    let request = format!("{}\n{STATE}\n", house.dir.path().display());
    let clock = Clock::virtual_at(Wall::FLOOR);
    let gone = &mut [0; 0][..];
    let rules = House::rules();
    let served = helper::serve(
        house.dir.path(),
        request.as_bytes(),
        gone,
        (&rules, QUICK),
        &clock,
    );
    assert!(served.is_err() && marker.exists());
}

#[test]
fn without_a_helper_this_process_runs_them() {
    let house = House::new();
    house.add("a", "echo yes", 0o755);
    let clock = Clock::virtual_at(Wall::FLOOR);
    let nowhere = house.dir.path().join(".no-helper");
    let report = run_by_whom_may(house.dir.path(), STATE, &nowhere, &clock);
    assert_eq!(report.ran.len() + report.skipped.len(), 1);
    let deserted = house.dir.path().join(".deserted");
    drop(std::os::unix::net::UnixListener::bind(&deserted).unwrap());
    let report = run_by_whom_may(house.dir.path(), STATE, &deserted, &clock);
    assert!(report.ran.is_empty() && report.skipped[0].1.contains("cannot be reached"));
}
