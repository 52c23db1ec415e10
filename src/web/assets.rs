//! Style, script and pictures of the pages: built in, named by a digest of their bytes, so that browsers keep them.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use ring::digest::{SHA256, digest};

use super::problem::Problem;

const STYLE: &str = include_str!("assets/heimpost.css");
const SCRIPT: &str = include_str!("assets/heimpost.js");
const ICON: &str = include_str!("assets/icon.svg");

/// Bytes of the digest that a name has.
const NAME_BYTES: usize = 6;

/// A file that pages refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// The one style sheet.
    Style,
    /// The one script.
    Script,
    /// The icon.
    Icon,
}

const ALL: [Asset; 3] = [Asset::Style, Asset::Script, Asset::Icon];

static PATHS: LazyLock<[(Asset, String); 3]> =
    LazyLock::new(|| ALL.map(|asset| (asset, asset.make_path())));

impl Asset {
    /// Where it is.
    pub fn path(self) -> &'static str {
        let found = PATHS.iter().find(|(asset, _)| *asset == self);
        found.map_or("", |(_, path)| path)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Style => STYLE,
            Self::Script => SCRIPT,
            Self::Icon => ICON,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Style => "text/css; charset=utf-8",
            Self::Script => "text/javascript; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }

    fn make_path(self) -> String {
        let made = digest(&SHA256, self.text().as_bytes());
        let bytes = made.as_ref().iter().take(NAME_BYTES);
        let short: Vec<String> = bytes.map(|byte| format!("{byte:02x}")).collect();
        let short = short.concat();
        let ending = match self {
            Self::Style => "css",
            Self::Script => "js",
            Self::Icon => "svg",
        };
        format!("/assets/{short}.{ending}")
    }
}

/// Serves one.
pub(super) async fn serve(Path(name): Path<String>) -> Result<Response, Problem> {
    let wanted = format!("/assets/{name}");
    let found = PATHS.iter().find(|(_, path)| *path == wanted);
    let (asset, _) = found.ok_or(Problem::NotFound)?;
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(asset.kind())),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
    ];
    Ok((headers, asset.text()).into_response())
}
