//! More clients than places, clients that go away, and panics: what each costs, and the recovery.

mod harness;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use harness::client::{self, Answer};
use harness::faults::{FaultyEngine, Gate, PANICS_IN_DECODER, PANICS_IN_PLAN, PanickingDecoder};
use harness::{Around, TestService, images};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

async fn start_faulty(flags: &[&str]) -> (TestService, Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let held = Arc::clone(&gate);
    let engine = |inner| Arc::new(FaultyEngine { inner, gate: held }) as Arc<_>;
    let around = Around { engine: Box::new(engine), decoder: Arc::new(PanickingDecoder) };
    (TestService::start_around(flags, around).await, gate)
}

async fn assert_at_rest(service: &TestService) {
    assert_eq!(service.metric("googlenet_queue_depth").await, 0.0);
    assert_eq!(service.metric("googlenet_workers_busy").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_clients_on_a_queue_of_eight() {
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
    for answer in join_all((0..8).map(|_| client::classify(service.address, &image))).await {
        assert_eq!(answer.status, 200, "it recovers");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_clients_that_go_away_never_run() {
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
    let reached = async {
        while gate.started.load(Ordering::SeqCst) != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached).await.expect("the worker starts");
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
    let noise = [1; 60_000];
    let refused = async {
        // The first bodies may still be on their way: until they are there, this one is only no image.
        loop {
            let answer = client::classify(address, &noise).await;
            if answer.status != 415 {
                return answer;
            }
        }
    };
    let refused = tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
    assert_eq!((refused.status, refused.code().as_str()), (429, "queue_full"));
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(client::classify(address, &image).await.status, 200, "a small one still fits");
    drop(half_sent);
    let freed = async { while client::classify(address, &noise).await.status != 415 {} };
    tokio::time::timeout(Duration::from_secs(5), freed).await.expect("its share is given back");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_costs_exactly_its_own_answer() {
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
        let status = if index % 50 == 7 { 500 } else { 200 };
        assert_eq!(answer.status, status, "request {index}");
        if status == 200 {
            assert_eq!(answer.json()["predictions"], expected, "request {index}");
        }
        *statuses.entry(answer.status).or_insert(0) += 1;
    }
    assert_eq!(statuses, HashMap::from([(200, 4900), (500, 100)]));
    assert_at_rest(&service).await;
    // As many workers as before: two images are in the engine at once.
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_come_back_after_panics() {
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
