//! More clients than places, clients that go away, and panics: what each costs, and the recovery.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::harness::client::{self, Answer};
use crate::harness::faults::{Gate, PANICS_IN_DECODER, PANICS_IN_PLAN, PanickingDecoder, gated};
use crate::harness::{Around, TestService, images};
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn start_faulty(flags: &[&str]) -> (TestService, Arc<Gate>) {
    let (around, gate) = gated();
    let around = Around { decoder: Arc::new(PanickingDecoder), ..around };
    (TestService::start_around(flags, around).await, gate)
}

async fn assert_at_rest(service: &TestService) {
    assert_eq!(service.metric("googlenet_queue_depth").await, 0.0);
    assert_eq!(service.metric("googlenet_workers_busy").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clients_on_a_queue_of_eight() {
    let _alone = crate::ALONE.lock().await;
    let (service, gate) = start_faulty(&["--queue-capacity=8", "--workers=2"]).await;
    let image = images::png(1);
    gate.shut();
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let (image, address) = (image.clone(), service.address);
            tokio::spawn(async move { client::classify(address, &image).await })
        })
        .collect();
    let refused = "googlenet_rejected_total{reason=\"queue_full\"}";
    service.until_that(refused, |count| count >= 100.0).await;
    gate.open();
    let answers: Vec<Answer> = join_all(clients).await.into_iter().map(Result::unwrap).collect();
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|a| a.status == 200);
    assert!(accepted.len() >= 8, "{}", accepted.len());
    for answer in &refused {
        assert_eq!((answer.status, answer.code().as_str()), (429, "queue_full"));
        assert!(answer.header("retry-after").parse::<u64>().unwrap() >= 1);
    }
    assert_at_rest(&service).await;
    // Two clients, as one may hold no more than seven of the eight places.
    let octets = [("Content-Type", "application/octet-stream")];
    let request = client::request("POST", "/classify", &octets, &image);
    let clients = (0..8).map(|client| IpAddr::from([127, 0, 0, 1 + client % 2]));
    let again = clients.map(|from| client::send_from(from, service.address, &request));
    for answer in join_all(again).await {
        assert_eq!(answer.unwrap().status, 200, "it recovers");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_clients_that_go_away_never_run() {
    let _alone = crate::ALONE.lock().await;
    let (service, gate) = start_faulty(&["--workers=1", "--max-batch-size=1"]).await;
    let image = images::png(1);
    gate.shut();
    let address = service.address;
    let held = {
        let image = image.clone();
        tokio::spawn(async move { client::classify(address, &image).await })
    };
    service.until("googlenet_workers_busy", 1.0).await;
    // The worker is busy a moment before the engine has its image.
    gate.until_started(1).await;
    let mut cut_off = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&client::request("POST", "/classify", &[], &image)).await.unwrap();
        cut_off.push(stream);
    }
    service.until("googlenet_queue_depth", 32.0).await;
    drop(cut_off);
    // The worker is still held: the places are free without it.
    service.until("googlenet_queue_depth", 0.0).await;
    service.until("googlenet_cancelled_total", 32.0).await;
    gate.open();
    assert_eq!(held.await.unwrap().status, 200);
    assert_eq!(client::classify(address, &image).await.status, 200);
    assert_eq!(gate.started.load(Ordering::SeqCst), 2, "only the last one ran");
    assert_at_rest(&service).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_bounded_together() {
    let _alone = crate::ALONE.lock().await;
    let flags = ["--max-body-bytes=100000", "--body-memory-bytes=100000"];
    let service = TestService::start(&flags).await;
    let (address, image) = (service.address, images::png(1));
    // There is room for the largest body as a form, which is held twice: for two as they are.
    let mut half_sent = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = client::head("POST", "/classify", &[("Content-Length", "90000")]);
        stream.write_all(&head).await.unwrap();
        stream.write_all(&[0; 80_000]).await.unwrap();
        half_sent.push(stream);
    }
    // Another body may take their place until they are there.
    service.until_that("googlenet_body_memory_bytes", |taken| taken >= 160_000.0).await;
    let noise = [1; 60_000];
    let refused = client::classify(address, &noise).await;
    assert_eq!((refused.status, refused.code().as_str()), (429, "queue_full"));
    assert!(refused.json()["error"].as_str().unwrap().contains("bodies"), "{refused:?}");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(client::classify(address, &image).await.status, 200, "a small one still fits");
    drop(half_sent);
    service.until("googlenet_body_memory_bytes", 0.0).await;
    assert_eq!(client::classify(address, &noise).await.status, 415, "its share is given back");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_exactly_its_own_answer() {
    let _alone = crate::ALONE.lock().await;
    // One input a batch: a panic in the plan costs the batch that it happened in.
    let (service, _) = start_faulty(&["--max-batch-size=1", "--workers=2"]).await;
    let good = images::png(1);
    let (plan, decoder) = (images::plain(PANICS_IN_PLAN), images::plain(PANICS_IN_DECODER));
    let expected = client::classify(service.address, &good).await.json()["predictions"].clone();
    let number_of = |index: u32| match index % 100 {
        7 => &plan,
        57 => &decoder,
        _ => &good,
    };
    let answers: Vec<(u32, Answer)> =
        stream::iter(0..5000u32)
            .map(|index| async move {
                (index, client::classify(service.address, number_of(index)).await)
            })
            .buffer_unordered(16)
            .collect()
            .await;
    let mut statuses = HashMap::new();
    for (index, answer) in &answers {
        let (status, code) = match index % 100 {
            7 => (500, "internal"),
            57 => (422, "corrupt_image"),
            _ => (200, ""),
        };
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "request {index}");
        if status == 200 {
            assert_eq!(answer.json()["predictions"], expected, "request {index}");
        }
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert_eq!(statuses, HashMap::from([(200, 4900), (422, 50), (500, 50)]));
    for place in ["decode", "plan"] {
        let counter = format!("googlenet_panics_total{{where=\"{place}\"}}");
        assert_eq!(service.metric(&counter).await, 50.0, "{place}");
    }
    assert_at_rest(&service).await;
    // As many workers as before: two images are in the engine at once.
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_come_back_after_panics() {
    let _alone = crate::ALONE.lock().await;
    let (service, gate) = start_faulty(&["--max-batch-size=1", "--workers=2"]).await;
    for _ in 0..6 {
        let answer = client::classify(service.address, &images::plain(PANICS_IN_PLAN)).await;
        assert_eq!((answer.status, answer.code().as_str()), (500, "internal"));
    }
    gate.shut();
    let image = images::png(1);
    let both = join_all((0..2).map(|_| client::classify(service.address, &image)));
    let check = async {
        service.until("googlenet_workers_busy", 2.0).await;
        gate.open();
    };
    let (answers, ()) =
        tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(both, check) })
            .await
            .expect("two workers take the two images");
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_at_rest(&service).await;
    service.stop().await;
}

/// A picture of noise, so that the cut is in the middle of its data.
fn cut_jpeg() -> Vec<u8> {
    let noise = |x: u32, y: u32| (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503)) as u8;
    let picture =
        RgbImage::from_fn(64, 64, |x, y| Rgb([noise(x, y), noise(y, x), noise(x + y, 7)]));
    let mut jpeg = images::encode(&picture, ImageFormat::Jpeg);
    jpeg.truncate(jpeg.len() * 2 / 3);
    jpeg
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_photo_is_answered_with_a_warning_unless_it_is_to_be_refused() {
    let _alone = crate::ALONE.lock().await;
    let (whole, cut) = (images::png(1), cut_jpeg());
    for flags in [&[][..], &["--reject-damaged=off"]] {
        let service = TestService::start(flags).await;
        let answer = client::classify(service.address, &cut).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["image"]["warnings"], json!(["truncated"]));
        assert!(!answer.json()["predictions"].as_array().unwrap().is_empty());
        let answer = client::classify(service.address, &whole).await;
        assert!(answer.json()["image"]["warnings"].is_null(), "{answer:?}");
        service.stop().await;
    }
    let service = TestService::start(&["--reject-damaged=on"]).await;
    let answer = client::classify(service.address, &cut).await;
    assert_eq!((answer.status, answer.code().as_str()), (422, "corrupt_image"), "{answer:?}");
    assert!(answer.json()["error"].as_str().unwrap().contains("truncated"), "{answer:?}");
    assert_eq!(client::classify(service.address, &whole).await.status, 200);
    let (content_type, body) =
        client::form(&[("image", Some("a"), &whole), ("image", Some("b"), &cut)]);
    let answer = client::post(service.address, "/classify", &content_type, &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["results"][1]["code"], "corrupt_image");
    assert_at_rest(&service).await;
    service.stop().await;
}

/// Sends one image after the other, each without waiting for its answer, until `count` wait.
async fn fill(
    service: &TestService,
    from: Source<'static>,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Answer>> {
    let mut waiting = Vec::new();
    for depth in 1..=count {
        let address = service.address;
        waiting.push(tokio::spawn(async move { classify_from(address, from).await }));
        service.until("googlenet_queue_depth", depth as f64).await;
    }
    waiting
}

/// The address of the connection, and what `X-Forwarded-For` says.
type Source<'a> = (&'a str, Option<&'a str>);

async fn classify_from(address: SocketAddr, (from, forwarded): Source<'_>) -> Answer {
    let headers: Vec<_> = forwarded.iter().map(|by| ("X-Forwarded-For", *by)).collect();
    let request = client::request("POST", "/classify", &headers, &images::png(1));
    client::send_from(from.parse().unwrap(), address, &request).await.unwrap()
}

/// One client fills the queue as far as it may; another then finds a place, and the next to come none.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_alone_leaves_places_and_each_refusal_says_why() {
    let _alone = crate::ALONE.lock().await;
    let proxies = "--trusted-proxies=127.0.0.0/8";
    const HERE: &str = "127.0.0.1";
    let (one, two) = (Some("198.51.100.1"), Some("198.51.100.2"));
    // Flags, who fills the queue, who else comes, and whether the two are told apart.
    let cases: [(&[&str], Source<'static>, Source<'static>, bool); 5] = [
        (&[], (HERE, None), ("127.0.0.2", None), true),
        (&[], (HERE, one), (HERE, two), false),
        (&[proxies], (HERE, one), (HERE, two), true),
        (&[proxies], (HERE, one), ("127.0.0.2", one), false),
        // A client cannot hide behind addresses of its own making.
        (&[proxies], (HERE, one), (HERE, Some("203.0.113.9, 198.51.100.1")), false),
    ];
    for (flags, busy, other, told_apart) in cases {
        let case = format!("{flags:?} {busy:?} {other:?}");
        let flags = [&["--workers=1", "--max-batch-size=1", "--queue-capacity=8"], flags].concat();
        let (service, gate) = start_faulty(&flags).await;
        gate.shut();
        let address = service.address;
        let running = tokio::spawn(async move { classify_from(address, busy).await });
        service.until("googlenet_workers_busy", 1.0).await;
        let mut waiting = fill(&service, busy, 7).await;
        let assert_refused = |answer: &Answer, why: &str| {
            assert_eq!((answer.status, answer.code().as_str()), (429, "queue_full"), "{case}");
            let sentence = answer.json()["error"].as_str().unwrap().to_owned();
            assert!(sentence.contains(why), "{case}: {sentence}");
        };
        assert_refused(&classify_from(address, busy).await, "your share");
        if told_apart {
            waiting.push(tokio::spawn(async move { classify_from(address, other).await }));
            service.until("googlenet_queue_depth", 8.0).await;
            assert_refused(&classify_from(address, other).await, "the queue is full");
        } else {
            assert_refused(&classify_from(address, other).await, "your share");
        }
        gate.open();
        assert_eq!(running.await.unwrap().status, 200, "{case}");
        for answer in join_all(waiting).await {
            assert_eq!(answer.unwrap().status, 200, "{case}");
        }
        assert_at_rest(&service).await;
        service.stop().await;
    }
}
