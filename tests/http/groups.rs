//! Groups of classes: over HTTP in each form of a request, on the command line, and from a file of one's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::harness::process::Process;
use crate::harness::{TestService, client, images, small_model};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Six dogs, three cats and a zebra: all are mammals.
const LABELS: &str = "n02085620 Chihuahua\nn02085782 Japanese spaniel\nn02085936 Maltese dog\nn02086079 Pekinese\n\
    n02086240 Shih-Tzu\nn02086646 Blenheim spaniel\nn02123045 tabby\nn02123159 tiger cat\nn02123394 Persian cat\n\
    n02391049 zebra\n";
const DOGS: usize = 6;

/// The small network with labels and, if there is one, a file of groups.
fn labelled_model(folder: &Path, groups: Option<&str>) -> std::path::PathBuf {
    let model = small_model(folder);
    let toml = std::fs::read_to_string(folder.join("small.toml")).unwrap();
    let mut names = "labels = \"small.txt\"\n".to_owned();
    std::fs::write(folder.join("small.txt"), LABELS).unwrap();
    if let Some(groups) = groups {
        std::fs::write(folder.join("small.groups.txt"), groups).unwrap();
        names.push_str("groups = \"small.groups.txt\"\n");
    }
    std::fs::write(folder.join("small.toml"), names + &toml).unwrap();
    model
}

async fn ask(address: SocketAddr, query: &str) -> Value {
    let answer =
        client::post(address, &format!("/classify?{query}"), "image/png", &images::png(3)).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    answer.json()
}

fn probability(value: &Value) -> f64 {
    value["probability"].as_f64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_sums_in_each_form() {
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&labelled_model(folder.path(), None), &[]);
    let all = ask(service.address, "top_k=10&groups=true").await;
    let classes = all["predictions"].as_array().unwrap();
    let groups = all["groups"].as_array().unwrap();
    assert!(!groups.is_empty() && groups.len() <= 10, "{groups:?}");
    assert!(groups.is_sorted_by_key(|group| {
        (-(probability(group) * 1e9) as i64, group["classes"].as_u64())
    }));
    let sum = |is_in: &dyn Fn(u64) -> bool| -> f64 {
        let chosen = classes.iter().filter(|class| is_in(class["class"].as_u64().unwrap()));
        chosen.map(probability).sum()
    };
    for (label, id, classes, expected) in [
        ("mammal", "n01861778", 10, 1.0),
        ("dog", "n02084071", 6, sum(&|class| class < DOGS as u64)),
        ("feline", "n02120997", 3, sum(&|class| (6..9).contains(&class))),
    ] {
        let group = groups.iter().find(|group| group["label"] == label).unwrap();
        assert_eq!((&group["id"], &group["classes"]), (&json!(id), &json!(classes)), "{group}");
        assert!((probability(group) - expected).abs() < 1e-5, "{group}: {expected}");
    }
    let sure = &all["sure"];
    assert!(probability(sure) >= 0.9 && sure["level"] != "none", "all are mammals: {sure}");
    let few = ask(service.address, "groups=true&min_probability=0.99").await;
    assert!(few["groups"].as_array().unwrap().iter().all(|group| probability(group) >= 0.99));
    let only_sure = ask(service.address, "sure=true&sure_at=0.9").await;
    assert_eq!((&only_sure["sure"], &only_sure["groups"]), (sure, &Value::Null));

    let image = images::png(3);
    let query = ask(service.address, "groups=true&sure_at=0.7&within=dog,n02391049").await;
    let (content_type, body) = client::form(&[
        ("image", Some("a.png"), &image),
        ("groups", None, b"true"),
        ("sure_at", None, b"0.7"),
        ("within", None, b"dog,n02391049"),
    ]);
    let form = client::post(service.address, "/classify", &content_type, &body).await;
    let body = json!({"images": [STANDARD.encode(&image)], "groups": true, "sure_at": 0.7,
        "within": "dog,n02391049"});
    let body = body.to_string();
    let json =
        client::post(service.address, "/classify", "application/json", body.as_bytes()).await;
    assert_eq!(form.json(), query);
    for member in ["predictions", "groups", "sure", "elsewhere", "image"] {
        assert_eq!(json.json()["results"][0][member], query[member], "{member}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn within_lists_and_does_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&labelled_model(folder.path(), None), &[]);
    let all = ask(service.address, "top_k=10").await;
    let dogs = ask(service.address, "top_k=10&within=dog&groups=true").await;
    let is_dog = |row: &&Value| row["class"].as_u64().unwrap() < DOGS as u64;
    let expected: Vec<&Value> =
        all["predictions"].as_array().unwrap().iter().filter(is_dog).collect();
    let listed: Vec<&Value> = dogs["predictions"].as_array().unwrap().iter().collect();
    assert_eq!((listed.len(), &listed), (DOGS, &expected));
    let sum: f64 = listed.iter().map(|row| probability(row)).sum();
    assert!((sum + dogs["elsewhere"].as_f64().unwrap() - 1.0).abs() < 1e-5, "{dogs}");
    let labels: Vec<&str> =
        dogs["groups"].as_array().unwrap().iter().map(|g| g["label"].as_str().unwrap()).collect();
    assert!(labels.contains(&"dog") && !labels.contains(&"mammal"), "{labels:?}");
    for query in [
        "within=bird",
        "within=placental",
        "within=",
        "within=dog,",
        "sure_at=0.4",
        "sure_at=1",
        "groups=yes",
        "sure=1",
    ] {
        let path = format!("/classify?{query}");
        let answer = client::post(service.address, &path, "image/png", &images::png(3)).await;
        assert_eq!((answer.status, answer.code().as_str()), (400, "invalid_parameter"), "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_is_not_there() {
    let service = TestService::start(&["--admin-listen=127.0.0.1:0"]).await;
    let plain = ask(service.address, "").await;
    assert_eq!(plain, ask(service.address, "groups=false&sure=false&sure_at=0.5").await);
    for member in ["groups", "sure", "elsewhere"] {
        assert!(plain.get(member).is_none(), "{plain}");
    }
    // Its classes are numbered: they have nothing in common.
    let asked = ask(service.address, "groups=true&sure_at=0.999").await;
    assert_eq!(asked["groups"], json!([]));
    let nothing = json!({"id": null, "label": null, "probability": null, "level": "none"});
    assert_eq!(asked["sure"], nothing);
    let tree = client::get(service.admin_address.unwrap(), "/model/groups").await.json();
    assert_eq!(tree["groups"], json!([]));
    assert_eq!(tree["classes"][9], json!({"class": 9, "id": "", "parents": []}));
    assert_eq!(client::get(service.address, "/model/groups").await.status, 404);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_may_have_its_own_groups() {
    let groups = "n00000001 - - thing\nn00000002 n00000001 * pet\nn00000003 n00000002,n00000001 * lap dog\n\
        n02085620 n00000003\nn02086240 n00000003\nn02123045 n00000002\n";
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&labelled_model(folder.path(), Some(groups)), &[]);
    let tree = client::get(service.address, "/model/groups").await.json();
    let lap_dog = json!({"id": "n00000003", "label": "lap dog", "shown": true,
        "parents": ["n00000002", "n00000001"], "classes": 2});
    assert_eq!(tree["groups"].as_array().unwrap().len(), 3);
    assert_eq!(tree["groups"][2], lap_dog);
    assert_eq!(
        tree["classes"][6],
        json!({"class": 6, "id": "n02123045", "parents": ["n00000002"]})
    );
    assert_eq!(tree["classes"][9]["parents"], json!([]));
    let answer = ask(service.address, "top_k=10&within=pet").await;
    assert_eq!(answer["predictions"].as_array().unwrap().len(), 3);

    let folder = tempfile::tempdir().unwrap();
    let model = labelled_model(folder.path(), Some("n00000001 - * pet\nn00000002 n00000009\n"));
    let (status, _, errors) = program(&["summary", "--model", model.to_str().unwrap()]);
    assert_eq!(status, Some(1), "{errors}");
    assert!(errors.contains("small.groups.txt: line 2 has the parent `n00000009`"), "{errors}");
}

#[test]
fn the_command_says_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let model = labelled_model(folder.path(), None);
    let photo = folder.path().join("a.png");
    std::fs::write(&photo, images::png(3)).unwrap();
    let classify = |flags: &[&str]| {
        let (photo, model) = (photo.to_str().unwrap(), model.to_str().unwrap());
        program(&[&["classify", photo, "--model", model], flags].concat())
    };
    let (status, said, errors) = classify(&["--json", "--sure", "--within=dog,zebra"]);
    assert_eq!((status, said.as_str()), (Some(1), ""));
    assert!(errors.contains("--within has `zebra`"), "a class goes by its id: {errors}");
    let (status, said, errors) =
        classify(&["--json", "--top-k=10", "--sure=0.99", "--within=n01861778"]);
    assert_eq!(status, Some(0), "{errors}");
    let row: Value = serde_json::from_str(&said).unwrap();
    assert!(row["sure"]["level"] != "none" && row["elsewhere"] == json!(0.0), "{row}");
    assert_eq!(row["predictions"].as_array().unwrap().len(), 10);
    let (_, said, _) = classify(&["--sure", "--within=domestic cat"]);
    assert!(said.contains("\n  sure of ") && said.contains(" %  elsewhere\n"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("n021")).count(), 3, "{said}");
    let (status, _, errors) = classify(&["--sure=2"]);
    assert_eq!(status, Some(2), "{errors}");
}

fn program(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_googlenet")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}
