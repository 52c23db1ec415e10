//! Bad configuration files, each with the error that its owner shall read.
//!
//! `tests/configs/bad/NAME.toml` goes with `NAME.txt`, the whole expected text with the file's name as `NAME.toml`. With
//! `HEIMPOST_BLESS=1` in the environment the texts are written instead of compared; read them before committing.

use std::fs;
use std::path::{Path, PathBuf};

use heimpost::config;
use heimpost::config::stored::Written;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs/bad");
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut cases: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|e| e == "toml"))
        .collect();
    cases.sort();
    cases
}

#[test]
fn each_bad_file_has_its_error() {
    let cases = cases();
    assert!(cases.len() >= 15, "only {} bad files found", cases.len());
    for path in cases {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        let error = config::parse(&name, &text)
            .map(|_| ())
            .expect_err(&name)
            .to_string()
            + "\n";
        let expected = path.with_extension("txt");
        if std::env::var_os("HEIMPOST_BLESS").is_some() {
            fs::write(&expected, &error).unwrap();
        }
        let wanted = fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(error, wanted, "{name}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = Written::load(Some(Path::new("/nonexistent/heimpost.toml")), None).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/nonexistent/heimpost.toml: "),
        "{error}"
    );
}
