//! The trained network over HTTP, on real photos.

use std::collections::HashMap;
use std::path::PathBuf;

use crate::harness::process::Process;
use crate::harness::{TestService, client};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};

/// The photos, by name, with the reference's best class and its probability.
fn photos(shared: &std::path::Path) -> Vec<(PathBuf, u64, f64)> {
    let text = std::fs::read(shared.join("reference/photos_top5.json")).unwrap();
    let best: HashMap<String, Vec<(u64, f64)>> = serde_json::from_slice(&text).unwrap();
    let mut photos: Vec<_> = best
        .into_iter()
        .map(|(name, top)| (shared.join("photos").join(name), top[0].0, top[0].1))
        .collect();
    photos.sort_by(|a, b| a.0.cmp(&b.0));
    photos
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_photos_agree_with_onnx_runtime() {
    let Some(shared) = crate::shared::folder() else { return };
    let photos = photos(&shared);
    assert_eq!(photos.len(), 100);
    let service = Process::start(&shared.join("models/googlenet.onnx"), &[]);
    let address = service.address;
    let answers: Vec<(bool, f64)> = stream::iter(&photos)
        .map(|(path, class, probability)| async move {
            let answer = client::classify(address, &std::fs::read(path).unwrap()).await;
            assert_eq!(answer.status, 200, "{}: {answer:?}", path.display());
            let (best, best_probability) = answer.best();
            (best == *class, (best_probability - probability).abs())
        })
        .buffer_unordered(4)
        .collect()
        .await;
    let same = answers.iter().filter(|(same, _)| *same).count();
    let difference = answers.iter().map(|(_, d)| d).sum::<f64>() / answers.len() as f64;
    println!("same best class on {same} of 100; mean absolute difference {difference:.5}");
    assert!(same >= 98, "{same}");
    assert!(difference <= 0.02, "{difference}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_photos_at_once_each_get_their_own_answer() {
    let Some(shared) = crate::shared::folder() else { return };
    let service = TestService::start(&[]).await;
    let photos: Vec<Vec<u8>> =
        photos(&shared).iter().take(64).map(|p| std::fs::read(&p.0).unwrap()).collect();
    let mut alone = Vec::new();
    for photo in &photos {
        alone.push(client::classify(service.address, photo).await.json());
    }
    for round in 0..20 {
        let answers = join_all(photos.iter().map(|p| client::classify(service.address, p))).await;
        for (index, (answer, alone)) in answers.iter().zip(&alone).enumerate() {
            assert_eq!(&answer.json(), alone, "round {round}, photo {index}");
        }
    }
    service.stop().await;
}

/// The narrowest class or group of at least 0.9: rarely nothing, and hardly ever wrong.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sure_is_right() {
    let Some(shared) = crate::shared::folder() else { return };
    let service = Process::start(&shared.join("models/googlenet.onnx"), &[]);
    let tree = client::get(service.address, "/model/groups").await.json();
    let rows = ["groups", "classes"].into_iter().flat_map(|rows| tree[rows].as_array().unwrap());
    let parents: HashMap<&str, Vec<&str>> = rows
        .map(|row| {
            let parents = row["parents"].as_array().unwrap().iter();
            (row["id"].as_str().unwrap(), parents.map(|id| id.as_str().unwrap()).collect())
        })
        .collect();
    let is_under = |class: &str, group: &str| {
        let mut waiting = vec![class];
        std::iter::from_fn(|| {
            let id = waiting.pop()?;
            waiting.extend(&parents[id]);
            Some(id)
        })
        .any(|id| id == group)
    };
    let (mut answered, mut right) = (0, 0);
    for (path, ..) in photos(&shared) {
        let image = std::fs::read(&path).unwrap();
        let path = path.file_name().unwrap().to_str().unwrap();
        let answer = client::post(service.address, "/classify?groups=true", "image/jpeg", &image);
        let sure = answer.await.json()["sure"].clone();
        if sure["level"] != "none" {
            answered += 1;
            right += usize::from(is_under(&path[..9], sure["id"].as_str().unwrap()));
        }
        for (name, label) in [("Appenzeller", "Sennenhunde"), ("night_snake", "snake")] {
            assert!(!path.contains(name) || sure["label"] == label, "{path}: {sure}");
        }
    }
    println!("{answered} of 100 answered, {right} of them right");
    assert!(answered >= 70, "{answered}");
    assert!(right * 100 >= answered * 96, "{right} of {answered}");
}
