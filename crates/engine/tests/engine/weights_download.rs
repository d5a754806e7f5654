//! Downloads from real servers on this machine that break off, lie, stall and send too much.

use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use googlenet_engine::weights::fetch::{LogLines, Proxies};
use googlenet_engine::weights::{Download, FILE_NAME, FetchError, Sha256};
use googlenet_engine::weights::{ModelSource, ObtainError, Obtained, Origin, SearchPath, obtain};

/// A request as a server received it.
#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: HashMap<String, String>,
}

impl Request {
    fn read(stream: &TcpStream) -> io::Result<Self> {
        let mut lines = BufReader::new(stream).lines();
        let line = lines.next().unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))?;
        let mut headers = HashMap::new();
        for header in lines {
            let header = header?;
            let Some((name, value)) = header.split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        Ok(Self { line, headers })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The offset that `Range: bytes=OFFSET-` asks for.
    fn offset(&self) -> Option<usize> {
        self.header("range")?.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()
    }
}

/// A server whose answer to the n-th request is given by a function of n.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    fn start(
        answer: impl Fn(usize, &Request, &mut TcpStream) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer = Arc::new(answer);
        let log = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let Ok(request) = Request::read(&stream) else { return };
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(request.clone());
                        log.len() - 1
                    };
                    // A client that has heard enough hangs up; what that means is for it to say.
                    let _ = answer(number, &request, &mut stream);
                });
            }
        });
        Self { address, requests }
    }

    fn url(&self) -> String {
        format!("http://{}/googlenet-12.onnx", self.address)
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Bytes in which no part equals another part at a different place.
fn content() -> Vec<u8> {
    (0_u32..75_000).flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

fn send_whole(stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    send_start(stream, data, data.len())
}

/// Announces all of `data` and sends its first `sent` bytes.
fn send_start(stream: &mut TcpStream, data: &[u8], sent: usize) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nETag: \"v1\"\r\nConnection: close\r\n\r\n",
        data.len()
    )?;
    stream.write_all(&data[..sent])
}

/// Sends what is asked for: the rest from the offset, or everything.
fn send_asked(request: &Request, stream: &mut TcpStream, data: &[u8]) -> io::Result<()> {
    let Some(offset) = request.offset() else { return send_whole(stream, data) };
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {}\r\nETag: \"v1\"\r\n\
         Content-Range: bytes {offset}-{}/{}\r\nConnection: close\r\n\r\n",
        data.len() - offset,
        data.len() - 1,
        data.len()
    )?;
    stream.write_all(&data[offset..])
}

fn send_status(stream: &mut TcpStream, status: &str, headers: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
}

/// A cache folder, and a download into it with little patience.
struct Cache {
    folder: tempfile::TempDir,
    download: Download,
}

impl Cache {
    fn new(url: String) -> Self {
        let content = content();
        let download = Download {
            url,
            sha256: Sha256::of(&content),
            bytes: content.len() as u64,
            proxies: Proxies::None,
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(5),
            retries: 2,
            first_pause: Duration::from_millis(10),
            lock_timeout: Duration::from_secs(20),
            ..Download::default()
        };
        Self { folder: tempfile::tempdir().unwrap(), download }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn part(&self) -> PathBuf {
        self.path("googlenet.onnx.part")
    }

    fn fetch(&self) -> Result<PathBuf, FetchError> {
        self.download.fetch(self.folder.path(), &mut LogLines::default())
    }

    /// Fetches, and checks that the file is whole and nothing else is left but the lock.
    fn fetch_whole(&self) {
        let path = self.fetch().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(path, self.path(FILE_NAME));
        assert!(fs::read(path).unwrap() == content(), "the file has other bytes");
        assert!(!self.part().exists());
    }

    /// Fetches, expects an error, and checks that nothing has the final name.
    fn fetch_error(&self) -> FetchError {
        let error = self.fetch().unwrap_err();
        assert!(!self.path(FILE_NAME).exists());
        error
    }
}

#[test]
fn a_whole_file_is_saved_and_not_asked_for_again() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    cache.fetch_whole();
    cache.fetch_whole();
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].line, "GET /googlenet-12.onnx HTTP/1.1");
    assert_eq!(requests[0].header("range"), None);
}

#[test]
fn a_file_with_the_right_name_and_wrong_bytes_is_replaced() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    fs::write(cache.path(FILE_NAME), vec![0; content().len()]).unwrap();
    cache.fetch_whole();
}

#[test]
fn folders_that_do_not_exist_are_made() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    let folder = cache.path("a/b");
    let path = cache.download.fetch(&folder, &mut LogLines::default()).unwrap();
    assert_eq!(path, folder.join(FILE_NAME));
}

#[test]
fn a_break_in_the_middle_is_resumed() {
    const BREAK: usize = 123_457;
    let server = Server::start(|number, request, stream| match number {
        0 => send_start(stream, &content(), BREAK),
        _ => send_asked(request, stream, &content()),
    });
    Cache::new(server.url()).fetch_whole();
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[1].offset(), Some(BREAK));
    assert_eq!(requests[1].header("if-range"), Some("\"v1\""));
}

#[test]
fn a_part_of_an_earlier_run_is_resumed() {
    let server = Server::start(|_, request, stream| send_asked(request, stream, &content()));
    let cache = Cache::new(server.url());
    fs::write(cache.part(), &content()[..1000]).unwrap();
    cache.fetch_whole();
    assert_eq!(server.requests()[0].offset(), Some(1000));
}

#[test]
fn a_part_that_is_whole_needs_no_server() {
    let server = Server::start(|_, _, stream| send_status(stream, "500 Down", ""));
    let cache = Cache::new(server.url());
    fs::write(cache.part(), content()).unwrap();
    cache.fetch_whole();
    assert_eq!(server.requests().len(), 0);
}

#[test]
fn parts_of_another_file_are_brought_anew() {
    for (length, requests) in [(1000, 2), (content().len(), 1), (content().len() + 1, 1)] {
        let server = Server::start(|_, request, stream| send_asked(request, stream, &content()));
        let cache = Cache::new(server.url());
        fs::write(cache.part(), vec![7; length]).unwrap();
        cache.fetch_whole();
        let served = server.requests();
        assert_eq!(served.len(), requests, "part of {length}");
        assert_eq!(served.last().unwrap().offset(), None);
    }
}

#[test]
fn a_server_that_ignores_ranges_starts_anew() {
    let server = Server::start(|number, _, stream| match number {
        0 => send_start(stream, &content(), 100_000),
        _ => send_whole(stream, &content()),
    });
    Cache::new(server.url()).fetch_whole();
    assert_eq!(server.requests()[1].offset(), Some(100_000));
}

#[test]
fn a_range_that_is_refused_or_wrong_starts_anew() {
    for answer in [
        "416 Range Not Satisfiable\r\nContent-Range: bytes */300000",
        "206 Partial Content\r\nContent-Range: bytes 0-9/300000",
        "206 Partial Content",
    ] {
        let server = Server::start(move |number, request, stream| match number {
            0 => send_start(stream, &content(), 100_000),
            1 => send_status(stream, answer, ""),
            _ => send_asked(request, stream, &content()),
        });
        Cache::new(server.url()).fetch_whole();
        let offsets: Vec<_> = server.requests().iter().map(Request::offset).collect();
        assert_eq!(offsets, [None, Some(100_000), None], "{answer}");
    }
}

#[test]
fn a_wrong_checksum_removes_the_part_and_names_both() {
    let mut damaged = content();
    damaged[150_000] ^= 1;
    let actual = Sha256::of(&damaged);
    let server = Server::start(move |_, _, stream| send_whole(stream, &damaged));
    let cache = Cache::new(server.url());
    let message = cache.fetch_error().to_string();
    for part in [actual.to_string(), cache.download.sha256.to_string(), server.url()] {
        assert!(message.contains(&part), "{message}");
    }
    assert!(!cache.part().exists());
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn too_many_bytes_are_not_taken() {
    let sent = Arc::new(Mutex::new(0));
    let count = Arc::clone(&sent);
    let server = Server::start(move |_, _, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&content())?;
            *count.lock().unwrap() += content().len();
        }
    });
    let cache = Cache::new(server.url());
    let error = cache.fetch_error();
    assert!(matches!(error, FetchError::TooLong { expected: 300_000, .. }), "{error}");
    assert!(!cache.part().exists());
    // The rest is what the sockets hold between the two.
    thread::sleep(Duration::from_millis(100));
    let sent = *sent.lock().unwrap();
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes were taken");
}

#[test]
fn a_file_of_another_length_is_refused_before_it_is_read() {
    let server = Server::start(|_, _, stream| send_whole(stream, b"<html>Please log in</html>"));
    let cache = Cache::new(server.url());
    fs::write(cache.part(), &content()[..1000]).unwrap();
    let error = cache.fetch_error();
    assert!(matches!(error, FetchError::Length { actual: 26, expected: 300_000, .. }), "{error}");
    assert_eq!(fs::read(cache.part()).unwrap(), &content()[..1000], "what was there stays");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn refusals_are_final_and_leave_nothing() {
    for (status, advice) in [("404 Not Found", "GOOGLENET_MODEL_URL"), ("403 Forbidden", "login")] {
        let server = Server::start(move |_, _, stream| send_status(stream, status, ""));
        let cache = Cache::new(server.url());
        let message = cache.fetch_error().to_string();
        assert!(message.contains(&status[..3]) && message.contains(advice), "{message}");
        assert!(!cache.part().exists());
        assert_eq!(server.requests().len(), 1, "{status}");
    }
}

#[test]
fn an_overloaded_server_is_asked_again_when_it_says() {
    let server = Server::start(|number, request, stream| match number {
        0 => send_status(stream, "503 Service Unavailable", "Retry-After: 1\r\n"),
        _ => send_asked(request, stream, &content()),
    });
    let start = Instant::now();
    Cache::new(server.url()).fetch_whole();
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn attempts_are_bounded_when_nothing_arrives() {
    let server = Server::start(|_, _, stream| send_status(stream, "502 Bad Gateway", ""));
    let cache = Cache::new(server.url());
    assert!(matches!(cache.fetch_error(), FetchError::Status { status: 502, .. }));
    assert_eq!(server.requests().len(), 3, "once, and two retries");
}

#[test]
fn breaks_are_bounded_when_a_server_always_starts_anew() {
    let server = Server::start(|_, _, stream| send_start(stream, &content(), 200_000));
    let cache = Cache::new(server.url());
    let error = cache.fetch_error();
    assert!(matches!(error, FetchError::Exchange { .. } | FetchError::Short { .. }), "{error}");
    assert_eq!(server.requests().len(), 3);
    assert_eq!(fs::metadata(cache.part()).unwrap().len(), 200_000, "kept for the next time");
}

#[test]
fn a_stall_ends_in_time_and_is_resumed() {
    let server = Server::start(|number, request, stream| match number {
        0 => {
            send_start(stream, &content(), 100_000)?;
            // Until the client hangs up.
            stream.read_exact(&mut [0]).map(drop)
        }
        _ => send_asked(request, stream, &content()),
    });
    let mut cache = Cache::new(server.url());
    cache.download.read_timeout = Duration::from_secs(2);
    let start = Instant::now();
    cache.fetch_whole();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(server.requests()[1].offset(), Some(100_000));
}

#[test]
fn a_server_that_never_answers_is_left() {
    let server = Server::start(|_, _, stream| stream.read_exact(&mut [0]).map(drop));
    let mut cache = Cache::new(server.url());
    cache.download.read_timeout = Duration::from_secs(1);
    let start = Instant::now();
    let message = cache.fetch_error().to_string();
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(message.contains("timeout"), "{message}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_trickles_is_left_after_the_attempts_time() {
    let server = Server::start(|_, _, stream| {
        send_start(stream, &content(), 0)?;
        for byte in content() {
            stream.write_all(&[byte])?;
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    let mut cache = Cache::new(server.url());
    cache.download.attempt_timeout = Duration::from_millis(300);
    cache.download.retries = 0;
    let start = Instant::now();
    cache.fetch_error();
    // The whole file would take it over an hour.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn redirects_are_followed_with_the_range() {
    let store = Server::start(|number, request, stream| match number {
        0 => send_start(stream, &content(), 100_000),
        _ => send_asked(request, stream, &content()),
    });
    let target = store.url();
    let front = Server::start(move |_, _, stream| {
        send_status(stream, "302 Found", &format!("Location: {target}?signed=1\r\n"))
    });
    Cache::new(front.url()).fetch_whole();
    let offsets: Vec<_> = store.requests().iter().map(Request::offset).collect();
    assert_eq!(offsets, [None, Some(100_000)]);
    assert_eq!(front.requests().len(), 2);
    assert!(store.requests()[0].line.contains("?signed=1"));
}

#[test]
fn endless_redirects_end() {
    let server =
        Server::start(|_, _, stream| send_status(stream, "302 Found", "Location: /again\r\n"));
    let message = Cache::new(server.url()).fetch_error().to_string();
    assert!(message.contains("too many redirects"), "{message}");
}

#[test]
fn what_speaks_no_tls_is_not_trusted() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url().replace("http:", "https:"));
    let error = cache.fetch_error();
    assert!(error.to_string().contains(&server.address.to_string()), "{error}");
}

#[test]
fn a_proxy_is_gone_through() {
    let store = Server::start(|_, _, stream| send_whole(stream, &content()));
    let proxy = Server::start(|_, request, stream| {
        let target = request.line.split(' ').nth(1).unwrap_or_default();
        let mut upstream = TcpStream::connect(target)?;
        write!(stream, "HTTP/1.1 200 Connection established\r\n\r\n")?;
        let (mut from, mut to) = (stream.try_clone()?, upstream.try_clone()?);
        thread::spawn(move || io::copy(&mut from, &mut to));
        io::copy(&mut upstream, stream)?;
        stream.shutdown(std::net::Shutdown::Both)
    });
    let mut cache = Cache::new(store.url());
    cache.download.proxies = Proxies::At(format!("http://{}", proxy.address));
    cache.fetch_whole();
    assert_eq!(proxy.requests()[0].line, format!("CONNECT {} HTTP/1.1", store.address));
    assert_eq!(store.requests().len(), 1);
}

#[test]
fn two_at_once_download_once() {
    let server = Server::start(|_, request, stream| {
        thread::sleep(Duration::from_millis(300));
        send_asked(request, stream, &content())
    });
    let cache = Cache::new(server.url());
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| cache.fetch_whole());
        }
    });
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn another_download_that_never_ends_is_not_waited_for_forever() {
    let mut cache = Cache::new("http://127.0.0.1:9/".to_owned());
    cache.download.lock_timeout = Duration::from_millis(200);
    let lock = fs::File::create(cache.path("googlenet.onnx.lock")).unwrap();
    lock.lock().unwrap();
    let message = cache.fetch_error().to_string();
    assert!(message.contains("another process") && message.contains(".lock"), "{message}");
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let cache = Cache::new("http://127.0.0.1:9/".to_owned());
    fs::write(cache.path("file"), "").unwrap();
    let error =
        cache.download.fetch(&cache.path("file/cache"), &mut LogLines::default()).unwrap_err();
    assert!(matches!(error, FetchError::Write { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("file/cache") && message.contains("XDG_CACHE_HOME"), "{message}");
}

/// `/dev/full` refuses every write as a full disk does.
#[test]
fn a_full_disk_is_named() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    std::os::unix::fs::symlink("/dev/full", cache.part()).unwrap();
    let message = cache.fetch_error().to_string();
    assert!(message.contains("No space left") && message.contains("make room"), "{message}");
    assert_eq!(server.requests().len(), 1, "it is of no use to try again");
}

/// Takes what the log prints.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn elsewhere_than_on_a_terminal_every_tenth_is_a_log_line() {
    let server = Server::start(|_, _, stream| {
        send_start(stream, &content(), 0)?;
        for chunk in content().chunks(1000) {
            stream.write_all(chunk)?;
        }
        Ok(())
    });
    let log = Log::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    tracing::subscriber::with_default(subscriber, || Cache::new(server.url()).fetch_whole());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert_eq!(text.matches(&server.url()).count(), 1, "{text}");
    assert!(text.contains("downloaded 100 %") && text.contains("complete"), "{text}");
    let lines = text.lines().filter(|line| line.contains(" %")).count();
    assert!((2..=10).contains(&lines), "{text}");
    assert!(!text.contains('\r'), "{text}");
}

#[test]
fn offline_with_none_at_hand_one_message_says_all() {
    let mut cache = Cache::new("http://127.0.0.1:1/googlenet.onnx".to_owned());
    cache.download.retries = 1;
    let folders = vec![cache.path("models"), cache.path("../shared/models")];
    let search = SearchPath::of(folders, Some(cache.path("cache")));
    let error =
        obtain(&ModelSource::Default, &search, &cache.download, u64::MAX, &mut LogLines::default())
            .unwrap_err();
    assert!(matches!(error, ObtainError::Unavailable(_)), "{error}");
    let message = error.to_string();
    let mut expected: Vec<String> =
        search.candidates().map(|path| path.display().to_string()).collect();
    expected.extend([
        cache.download.url.clone(),
        cache.download.sha256.to_string(),
        "300000 bytes".to_owned(),
        format!("save it as {}", cache.path("cache/googlenet.onnx").display()),
        "--model untrained".to_owned(),
        "seeded random weights".to_owned(),
        "refused".to_owned(),
    ]);
    for part in expected {
        assert!(message.contains(&part), "{part:?} is missing in: {message}");
    }
}

#[test]
fn without_a_cache_folder_the_message_says_how_to_name_one() {
    let cache = Cache::new("http://127.0.0.1:9/".to_owned());
    let search = SearchPath::of(vec![cache.path("models")], None);
    let error =
        obtain(&ModelSource::Default, &search, &cache.download, u64::MAX, &mut LogLines::default())
            .unwrap_err();
    assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
}

#[test]
fn a_download_is_found_the_next_time() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    let search = SearchPath::of(Vec::new(), Some(cache.folder.path().to_owned()));
    for _ in 0..2 {
        let mut progress = LogLines::default();
        let obtained =
            obtain(&ModelSource::Default, &search, &cache.download, u64::MAX, &mut progress)
                .unwrap();
        let Obtained::File(model, _) = obtained else { panic!("a file was expected") };
        assert_eq!(model.path, cache.path(FILE_NAME));
        assert_eq!(model.sha256, cache.download.sha256);
        assert_eq!(model.origin, Origin::Assumed, "no TOML lists this test's bytes");
    }
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_file_that_was_named_is_never_downloaded() {
    let server = Server::start(|_, _, stream| send_whole(stream, &content()));
    let cache = Cache::new(server.url());
    let search = SearchPath::of(Vec::new(), Some(cache.folder.path().to_owned()));
    let source = ModelSource::File(cache.path("mine.onnx"));
    let error =
        obtain(&source, &search, &cache.download, u64::MAX, &mut LogLines::default()).unwrap_err();
    assert!(error.to_string().contains("mine.onnx does not exist"), "{error}");
    let untrained = obtain(
        &ModelSource::Untrained,
        &search,
        &cache.download,
        u64::MAX,
        &mut LogLines::default(),
    );
    assert!(matches!(untrained, Ok(Obtained::Untrained)));
    assert_eq!(server.requests().len(), 0);
}
