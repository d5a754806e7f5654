//! The page at `/` and its files: what browsers get and programs get, and on which listener.

use std::io::Read;

use flate2::read::GzDecoder;
use serde_json::{Value, json};

use crate::harness::client::{self, Answer};
use crate::harness::{TestService, images};

const BROWSER: (&str, &str) =
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8");
const GZIP: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br");

async fn ask(address: std::net::SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    client::send(address, &client::head("GET", path, headers)).await
}

fn inflated(answer: &Answer) -> Vec<u8> {
    assert_eq!(answer.header("content-encoding"), "gzip");
    let mut bytes = Vec::new();
    GzDecoder::new(&answer.body[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The addresses of files in the page.
fn assets(page: &str) -> Vec<&str> {
    let texts = page.split('"').skip(1).step_by(2);
    texts.filter(|text| text.starts_with("assets/")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn browsers_get_the_page_and_its_files() {
    let service = TestService::start(&[]).await;
    let page = ask(service.address, "/", &[BROWSER]).await;
    assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(page.header("vary").contains("accept"), "{:?}", page.headers);
    let text = String::from_utf8(page.body.clone()).unwrap();
    assert!(
        !text.contains("=\"/") && !text.contains("http:") && !text.contains("https:"),
        "{text}"
    );
    let assets = assets(&text);
    assert!(assets.len() > 4, "{assets:?}");
    for asset in assets {
        let file = ask(service.address, &format!("/{asset}"), &[]).await;
        assert_eq!(file.status, 200, "{asset}");
        assert!(!file.body.is_empty() && !file.header("content-type").is_empty(), "{asset}");
    }
    for path in ["/assets/nothing.js", "/assets/", "/assets/..%2Fapp.js"] {
        let missing = ask(service.address, path, &[BROWSER]).await;
        assert_eq!((missing.status, missing.code().as_str()), (404, "not_found"), "{path}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_stored_compressed_kept_and_checked() {
    let service = TestService::start(&[]).await;
    for (path, accept) in [("/", BROWSER), ("/assets/app.js", ("Accept", "*/*"))] {
        let plain = ask(service.address, path, &[accept]).await;
        let small = ask(service.address, path, &[accept, GZIP]).await;
        assert_eq!(inflated(&small), plain.body, "{path}");
        assert!(small.body.len() < plain.body.len(), "{path}");
        let refused =
            ask(service.address, path, &[accept, ("Accept-Encoding", "gzip;q=0, br")]).await;
        assert_eq!(refused.body, plain.body, "{path}");
        let etag = plain.header("etag");
        assert_eq!((small.header("etag"), small.header("cache-control")), (etag, "no-cache"));
        for encoding in [GZIP, ("Accept-Encoding", "identity")] {
            let known = [accept, encoding, ("If-None-Match", etag)];
            let again = ask(service.address, path, &known).await;
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
            assert_eq!((again.header("etag"), again.header("cache-control")), (etag, "no-cache"));
            assert!(again.header("vary").contains("accept"), "{path}: {:?}", again.headers);
        }
        let changed = ask(service.address, path, &[accept, ("If-None-Match", "\"other\"")]).await;
        assert_eq!((changed.status, &changed.body), (200, &plain.body), "{path}");
    }
    service.stop().await;
}

/// No script but the page's own files runs, nothing is asked of another host, no other page frames this one.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_files_alone_have_a_strict_policy() {
    let service = TestService::start(&[]).await;
    for path in ["/", "/assets/app.css", "/assets/classify.js"] {
        let answer = ask(service.address, path, &[BROWSER]).await;
        let policy = answer.header("content-security-policy");
        let directives: Vec<&str> = policy.split(';').map(str::trim).collect();
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(directives.contains(&directive), "{path}: {directive} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("permissions-policy"), "camera=(self)", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    // Swagger UI has inline scripts.
    for path in ["/docs/", "/healthz"] {
        let answer = ask(service.address, path, &[BROWSER]).await;
        assert_eq!(answer.header("content-security-policy"), "", "{path}");
    }
    service.stop().await;
}

fn paths(index: &Value) -> Vec<String> {
    let rows = index["paths"].as_array().unwrap();
    let text = |row: &Value, member: &str| row[member].as_str().unwrap().to_owned();
    rows.iter().map(|row| format!("{} {}", text(row, "method"), text(row, "path"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_get_a_list_of_what_is_served() {
    let service = TestService::start(&[]).await;
    for accept in ["*/*", "application/json", "text/html;q=0.5, application/json"] {
        let index = ask(service.address, "/", &[("Accept", accept)]).await;
        assert_eq!((index.status, index.header("content-type")), (200, "application/json"));
        assert_eq!(index.json()["service"], "googlenet");
        let paths = paths(&index.json());
        for path in ["POST /classify", "GET /model/summary", "GET /metrics", "GET /docs"] {
            assert!(paths.iter().any(|served| served == path), "{path} in {paths:?}");
        }
        // Each that takes no name is there.
        for path in paths.iter().filter_map(|path| path.strip_prefix("GET ")) {
            if !path.contains('{') {
                let status = client::get(service.address, path).await.status;
                assert!(status == 200 || status == 303, "{path}: {status}");
            }
        }
    }
    service.stop().await;
}

/// The public address has what photos need, the other has everything.
#[tokio::test(flavor = "multi_thread")]
async fn each_listener_lists_its_own_paths() {
    let service = TestService::start(&["--admin-listen=127.0.0.1:0"]).await;
    let (public, admin) = (service.address, service.admin_address.unwrap());
    let listed = async |address| paths(&client::get(address, "/").await.json());
    let (clients, operators) = (listed(public).await, listed(admin).await);
    for (path, is_public, is_admin) in [
        ("POST /classify", true, true),
        ("GET /readyz", true, true),
        ("GET /metrics", false, true),
        ("GET /model/summary", false, true),
        ("GET /docs", false, true),
    ] {
        let has = |paths: &[String]| paths.iter().any(|served| served == path);
        assert_eq!((has(&clients), has(&operators)), (is_public, is_admin), "{path}");
    }
    for address in [public, admin] {
        assert!(
            ask(address, "/", &[BROWSER]).await.header("content-type").starts_with("text/html")
        );
        assert_eq!(ask(address, "/assets/app.js", &[]).await.status, 200);
        assert_eq!(client::classify(address, &images::png(1)).await.status, 200);
    }
    service.stop().await;
}

/// So the page offers all ways to explain on an address that does not serve `/model`.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_says_which_network_and_what_explains_it() {
    let service = TestService::start(&["--admin-listen=127.0.0.1:0"]).await;
    let summary = client::get(service.admin_address.unwrap(), "/model/summary").await.json();
    let is_module = |row: &&Value| !row["branches"].is_null();
    let modules: Vec<&Value> = summary["modules"].as_array().unwrap().iter().collect();
    let names: Vec<&Value> =
        modules.into_iter().filter(is_module).map(|row| &row["name"]).collect();
    assert_eq!(names.len(), 9);
    for address in [service.address, service.admin_address.unwrap()] {
        let index = client::get(address, "/").await.json();
        for member in ["name", "version", "precision", "classes"] {
            assert_eq!(index["model"][member], summary[member], "{member}");
        }
        assert_eq!(index["model"].get("parameters"), None);
        assert_eq!(index["explain"]["methods"], json!(["cam", "gradient", "occlusion"]));
        assert_eq!(index["explain"]["modules"], json!(names));
    }
    service.stop().await;
    let service = TestService::start(&["--explain=off"]).await;
    let index = client::get(service.address, "/").await.json();
    assert!(index.get("explain").is_none() && index["model"]["classes"].is_u64(), "{index}");
    service.stop().await;
}

/// So the page shows nothing that would be refused, and no client is made for it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_switched_off_is_not_listed() {
    for (flags, is_listed) in [(vec![], true), (vec!["--explain=off"], false)] {
        let service = TestService::start(&flags).await;
        let index = paths(&client::get(service.address, "/").await.json());
        let document = client::get(service.address, "/openapi.json").await.json();
        for path in ["/explain", "/activations"] {
            let row = format!("POST {path}");
            assert_eq!(index.contains(&row), is_listed, "{path} with {flags:?}");
            assert_eq!(document["paths"].get(path).is_some(), is_listed, "{path} with {flags:?}");
        }
        assert!(index.contains(&"POST /classify".to_owned()), "{index:?}");
        assert!(document["paths"]["/classify"].is_object());
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_turned_off() {
    let service = TestService::start(&["--page=off"]).await;
    let root = ask(service.address, "/", &[BROWSER]).await;
    assert_eq!((root.status, root.header("content-type")), (200, "application/json"));
    assert_eq!(root.header("content-security-policy"), "");
    assert_eq!(ask(service.address, "/assets/app.js", &[]).await.status, 404);
    service.stop().await;
}
