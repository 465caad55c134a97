//! The page's files, which are part of the program: `/` is `index.html`, and the others are below `/page/`.
//!
//! # Invariants
//! * What the page loads comes from here. Its headers forbid everything else: scripts and styles within the page, other origins,
//!   forms, frames.
//! * A browser asks each time whether it has the newest file, as the next program on this port may have another one.

use std::hash::{DefaultHasher, Hasher};

use axum::Router;
use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;

use crate::problem::Problem;

/// The file that `/` shows.
const INDEX: &str = "index.html";

macro_rules! files {
    ($($name:literal)*) => {
        &[$(File { name: $name, bytes: include_bytes!(concat!("../page/", $name)) }),*]
    };
}

/// Every file of the page.
static FILES: &[File] = files! {
    "actions.js"
    "axis.js"
    "checked.js"
    "commands.js"
    "dom.js"
    "draw.js"
    "format.js"
    "history.js"
    "icon.svg"
    "index.html"
    "keys.js"
    "layout-chip.js"
    "layout-instances.js"
    "layout-lens.js"
    "layout-signs.js"
    "layout-tracks.js"
    "looks.js"
    "main.js"
    "model.js"
    "orders.js"
    "page.css"
    "picture.css"
    "player.js"
    "recent.js"
    "roving.js"
    "scenes.css"
    "shapes.js"
    "sight.js"
    "stream.js"
    "verdict.js"
    "view-banner.js"
    "view-commands.js"
    "view-controls.js"
    "view-help.js"
    "view-lists.js"
    "view-mirror.js"
    "view-player.js"
    "view-scenes.js"
    "words-en.js"
    "words-ko.js"
    "words.js"
};

/// A file of the page.
struct File {
    /// The file's path below the page's folder.
    name: &'static str,
    bytes: &'static [u8],
}

/// What a browser may do with a file of the page.
const GUARDS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-cache"),
];

/// The routes of the page's files.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    FILES.iter().fold(Router::new(), |router, file| {
        let tag = file.tag();
        let answer = any(move |request: Request| std::future::ready(file.answer(&tag, &request)));
        let router = router.route(&format!("/page/{}", file.name), answer.clone());
        match file.name {
            INDEX => router.route("/", answer),
            _ => router,
        }
    })
}

impl File {
    fn answer(&self, tag: &HeaderValue, request: &Request) -> Response {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let path = request.uri().path();
            return Problem::method_not_allowed(request.method(), path, "GET, HEAD").into_response();
        }
        let mut answer = match has(request.headers(), tag) {
            true => StatusCode::NOT_MODIFIED.into_response(),
            false => ([(CONTENT_TYPE, self.kind())], self.bytes).into_response(),
        };
        let headers = answer.headers_mut();
        headers.insert(ETAG, tag.clone());
        for (name, value) in GUARDS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    /// The file's media type. A file of another kind has to be added here.
    fn kind(&self) -> &'static str {
        match self.name.rsplit('.').next() {
            Some("html") => "text/html; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("json") => "application/json",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The name of this content.
    fn tag(&self) -> HeaderValue {
        let mut hasher = DefaultHasher::new();
        hasher.write(self.bytes);
        HeaderValue::try_from(format!("\"{:016x}\"", hasher.finish())).expect("digits in quotes make a header")
    }
}

/// Whether the browser has the content with this name.
fn has(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter();
    let mut tags = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    tags.any(|known| {
        let known = known.trim_ascii();
        known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use axum::body::Body;

    use super::*;

    fn answer(name: &str, method: Method, known: Option<&HeaderValue>) -> Response {
        let file = FILES.iter().find(|file| file.name == name).expect("it is there");
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        if let Some(known) = known {
            request.headers_mut().insert(IF_NONE_MATCH, known.clone());
        }
        file.answer(&file.tag(), &request)
    }

    #[test]
    fn every_file_in_the_folder_is_served() {
        fn names(folder: &Path, prefix: &str) -> BTreeSet<String> {
            let entries = std::fs::read_dir(folder).expect("the page's folder");
            let entries = entries.map(|entry| entry.expect("an entry"));
            let below = entries.flat_map(|entry| {
                let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
                match entry.path().is_dir() {
                    true => names(&entry.path(), &format!("{name}/")),
                    false => BTreeSet::from([name]),
                }
            });
            below.collect()
        }
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/page");
        let served = FILES.iter().map(|file| file.name.to_owned()).collect();
        assert_eq!(names(&folder, ""), served, "the list in this file names every file");
    }

    #[test]
    fn a_browser_loads_nothing_from_elsewhere_and_asks_for_what_is_new() {
        let page = answer(INDEX, Method::GET, None);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        let policy = page.headers()[CONTENT_SECURITY_POLICY].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let tag = page.headers()[ETAG].clone();
        assert_eq!(
            answer(INDEX, Method::GET, Some(&tag)).status(),
            StatusCode::NOT_MODIFIED
        );
        let several = HeaderValue::from_str(&format!("\"x\", W/{}", tag.to_str().expect("text"))).expect("a header");
        assert_eq!(
            answer(INDEX, Method::GET, Some(&several)).status(),
            StatusCode::NOT_MODIFIED
        );
        let other = HeaderValue::from_static("\"x\"");
        assert_eq!(answer(INDEX, Method::GET, Some(&other)).status(), StatusCode::OK);
        assert_eq!(
            answer(INDEX, Method::POST, None).status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
        let style = answer("page.css", Method::GET, None);
        assert_eq!(style.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
}
