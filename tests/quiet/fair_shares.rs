//! Clients that send what is dear, or much, beside clients that send a photo at a time: each has its share.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::harness::client::{self, Connection};
use crate::harness::process::Process;
use crate::harness::small_model;
use googlenet::machine::raise_open_files;
use image::{ImageFormat, Rgb, RgbImage};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SECOND: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const WINDOW: Duration = Duration::from_secs(4);
/// Windows of each kind, in turns: what slows this machine down for a while slows both.
const TURNS: usize = 2;
/// Until the load is what it will be.
const RUN_IN: Duration = Duration::from_secs(1);
/// The trained weights, which take their time as in production, or the small network where there are none.
fn model(folder: &TempDir) -> PathBuf {
    crate::shared::folder()
        .map_or_else(|| small_model(folder.path()), |shared| shared.join("models/googlenet.onnx"))
}

/// A photo of 500 x 375, as JPEG.
fn photo() -> Vec<u8> {
    let wave = |at: u32, period: u32| ((at % period).abs_diff(period / 2) * 500 / period) as u8;
    let pixels =
        RgbImage::from_fn(500, 375, |x, y| Rgb([wave(x, 40), wave(y, 30), wave(x + y, 50)]));
    crate::harness::images::encode(&pixels, ImageFormat::Jpeg)
}

/// A request that leaves the connection open.
fn classify(headers: &str, image: &[u8]) -> Arc<Vec<u8>> {
    let length = image.len();
    let head = format!(
        "POST /classify HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    Arc::new([head.as_bytes(), image].concat())
}

/// How many answers there were of each status; 0 stands for a connection that broke.
type Statuses = BTreeMap<u16, usize>;

/// Clients that repeat a request, each on a connection of its own, without pause.
struct Load {
    running: JoinSet<Statuses>,
    stop: watch::Sender<bool>,
    /// Good answers so far.
    good: Arc<AtomicUsize>,
}

impl Load {
    fn start(
        from: IpAddr,
        address: SocketAddr,
        connections: usize,
        request: &Arc<Vec<u8>>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let good = Arc::new(AtomicUsize::new(0));
        let mut running = JoinSet::new();
        for _ in 0..connections {
            let (request, good) = (Arc::clone(request), Arc::clone(&good));
            running.spawn(repeat((from, address), request, stopped.clone(), good));
        }
        Self { running, stop, good }
    }

    /// Lets each finish the request that it is in.
    async fn stop(self) -> Statuses {
        self.stop.send_replace(true);
        let mut sum = Statuses::new();
        for statuses in self.running.join_all().await {
            for (status, count) in statuses {
                *sum.entry(status).or_insert(0) += count;
            }
        }
        sum
    }
}

async fn repeat(
    (from, address): (IpAddr, SocketAddr),
    request: Arc<Vec<u8>>,
    stopped: watch::Receiver<bool>,
    good: Arc<AtomicUsize>,
) -> Statuses {
    let mut statuses = Statuses::new();
    let mut connection = None;
    while !*stopped.borrow() {
        let status = match status_of(&mut connection, from, address, &request).await {
            Ok(status) => status,
            Err(_) => {
                connection = None;
                0
            }
        };
        *statuses.entry(status).or_insert(0) += 1;
        good.fetch_add(usize::from(status == 200), Ordering::Relaxed);
    }
    statuses
}

async fn status_of(
    connection: &mut Option<Connection>,
    from: IpAddr,
    address: SocketAddr,
    request: &[u8],
) -> std::io::Result<u16> {
    let open = match connection {
        Some(open) => open,
        None => connection.insert(Connection::open(from, address).await?),
    };
    Ok(open.exchange(request).await?.status)
}

/// Good answers of `clients` from `from` in a window of time.
async fn good_answers(
    from: IpAddr,
    address: SocketAddr,
    clients: usize,
    request: &Arc<Vec<u8>>,
) -> usize {
    tokio::time::sleep(RUN_IN).await;
    let load = Load::start(from, address, clients, request);
    tokio::time::sleep(WINDOW).await;
    let statuses = load.stop().await;
    println!("{clients} good clients from {from}: {statuses:?}");
    statuses.get(&200).copied().unwrap_or_default()
}

/// Two clients beside 16 of their kind, then beside `attackers`, from `from` each.
async fn assert_two_keep_half(attackers: [IpAddr; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&model(&folder), &[]);
    let address = service.address;
    let good = classify("", &photo());
    let gif = classify("", &crate::hostile::gif::one_pixel());
    let png = classify("", &crate::hostile::png::rgba16());
    let (mut usual, mut beside) = (0, 0);
    for _ in 0..TURNS {
        let others = Load::start(attackers[1], address, 16, &good);
        usual += good_answers(attackers[0], address, 2, &good).await;
        others.stop().await;

        let gifs = Load::start(attackers[1], address, 64, &gif);
        let pngs = Load::start(attackers[1], address, 16, &png);
        beside += good_answers(attackers[0], address, 2, &good).await;
        let (gifs, pngs) = (gifs.stop().await, pngs.stop().await);
        println!("{usual} answers beside 16, {beside} beside {gifs:?} and {pngs:?}");
        for status in gifs.keys().chain(pngs.keys()) {
            assert!([200, 413, 429].contains(status), "{gifs:?} {pngs:?}");
        }
    }
    assert!(beside * 2 >= usual, "{beside} in place of {usual}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dear_pictures_leave_others_half_of_their_answers() {
    let _alone = crate::ALONE.lock().await;
    assert_two_keep_half([SECOND, FIRST]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dear_pictures_leave_others_half_of_their_answers_behind_one_address() {
    let _alone = crate::ALONE.lock().await;
    assert_two_keep_half([FIRST, FIRST]).await;
}

/// Two workers with batches of eight.
const TWO_WORKERS: [&str; 2] = ["--workers=2", "--max-batch-size=8"];
/// No more answers of others come before that of a lone user, as a rule: those of the batches that run, of its own and the
/// one beside it, and as many again for what was admitted while its upload came. In one line for all it would always come
/// behind the 64 of the other client that wait and the 16 that run.
const MOST_BEFORE: usize = 4 * 2 * 8;

/// 400 connections of one client; another gets its answer within two tries, ten times in a row, and as a rule before most
/// of the other's. Its time depends on the machine, and is only told.
async fn assert_a_lone_user_is_answered(
    flags: &[&str],
    busy: (IpAddr, &str),
    lone: (IpAddr, &str),
) {
    assert!(raise_open_files() > 1_000, "the test opens 400 connections");
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&model(&folder), &[&TWO_WORKERS, flags].concat());
    let address = service.address;
    let load = Load::start(busy.0, address, 400, &classify(busy.1, &photo()));
    tokio::time::sleep(RUN_IN).await;
    let request = classify(lone.1, &photo());
    let (mut failures, mut before_it) = (Vec::new(), Vec::new());
    for turn in 0..10 {
        let (begun, before) = (Instant::now(), load.good.load(Ordering::Relaxed));
        let mut statuses = Vec::new();
        while statuses.len() < 2 && statuses.last() != Some(&200) {
            let mut connection = None;
            statuses.push(status_of(&mut connection, lone.0, address, &request).await.unwrap_or(0));
        }
        let others = load.good.load(Ordering::Relaxed) - before;
        let told = format!("{turn}: {statuses:?} after {others} others in {:?}", begun.elapsed());
        println!("{told}");
        before_it.push(others);
        if statuses.last() != Some(&200) {
            failures.push(told);
        }
    }
    let statuses = load.stop().await;
    println!("the other client: {statuses:?}");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    before_it.sort_unstable();
    assert!(before_it[7] <= MOST_BEFORE, "others that came before it: {before_it:?}");
    assert!(statuses.get(&429).is_some_and(|refused| *refused > 0), "{statuses:?} is no overload");
    assert!(statuses.keys().all(|status| [200, 429].contains(status)), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_user_is_answered_beside_a_client_of_400_connections() {
    let _alone = crate::ALONE.lock().await;
    assert_a_lone_user_is_answered(&[], (FIRST, ""), (SECOND, "")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_user_behind_a_trusted_proxy_is_answered() {
    let _alone = crate::ALONE.lock().await;
    let flags = ["--trusted-proxies=127.0.0.0/8"];
    let busy = (FIRST, "X-Forwarded-For: 198.51.100.1\r\n");
    let lone = (FIRST, "X-Forwarded-For: 198.51.100.2\r\n");
    assert_a_lone_user_is_answered(&flags, busy, lone).await;
}

/// What is accepted is answered in time.
async fn assert_none_is_late(image: Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let service = Process::start(&model(&folder), &[]);
    let address = service.address;
    let request = Arc::new(client::request("POST", "/classify", &[], &image));
    let mut all = JoinSet::new();
    for _ in 0..100 {
        let request = Arc::clone(&request);
        all.spawn(async move { client::try_send(address, &request).await.map_or(0, |a| a.status) });
    }
    let mut statuses = Statuses::new();
    for status in all.join_all().await {
        *statuses.entry(status).or_insert(0) += 1;
    }
    println!("{statuses:?}");
    assert!(statuses.keys().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert!(statuses.contains_key(&200), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_gifs_of_32_megapixels_at_once() {
    let _alone = crate::ALONE.lock().await;
    assert_none_is_late(crate::hostile::gif::one_pixel()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_pngs_of_32_megapixels_at_once() {
    let _alone = crate::ALONE.lock().await;
    assert_none_is_late(crate::hostile::png::rgba16()).await;
}
