//! HTTP/1.1 by hand: one request a connection, every byte under the test's control.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// By lower-case name.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The best class and its probability.
    pub fn best(&self) -> (u64, f64) {
        let best = &self.json()["predictions"][0];
        (best["class"].as_u64().unwrap(), best["probability"].as_f64().unwrap())
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let end = bytes
            .windows(4)
            .position(|w| w == b"\r\n\r\n")
            .unwrap_or_else(|| panic!("no head in {:?}", text(bytes)));
        let head = text(&bytes[..end]);
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: HashMap<String, String> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.get("transfer-encoding").is_some_and(|e| e == "chunked") {
            body = dechunk(&body);
        }
        Self { status, headers, body }
    }
}

fn dechunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}

/// Sends raw bytes and reads until the server closes.
pub async fn send(address: SocketAddr, request: &[u8]) -> Answer {
    try_send(address, request).await.unwrap()
}

/// The same, for tests in which the connection may break.
pub async fn try_send(address: SocketAddr, request: &[u8]) -> std::io::Result<Answer> {
    exchange(TcpStream::connect(address).await?, request).await
}

/// The same from an address of this machine: all of 127.0.0.0/8 are, on Linux.
pub async fn send_from(
    from: IpAddr,
    address: SocketAddr,
    request: &[u8],
) -> std::io::Result<Answer> {
    exchange(connect_from(from, address).await?, request).await
}

async fn connect_from(from: IpAddr, address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    socket.connect(address).await
}

async fn exchange(mut stream: TcpStream, request: &[u8]) -> std::io::Result<Answer> {
    // The server may answer, and close, before it has read everything.
    let (mut read, mut write) = stream.split();
    let mut answer = Vec::new();
    let (_, received) = tokio::join!(write.write_all(request), read.read_to_end(&mut answer));
    if answer.is_empty() {
        received?;
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Answer::parse(&answer))
}

/// A connection for one request after the other.
pub struct Connection(BufReader<TcpStream>);

impl Connection {
    pub async fn open(from: IpAddr, address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(BufReader::new(connect_from(from, address).await?)))
    }

    /// Sends a request and reads its answer, which has a length.
    pub async fn exchange(&mut self, request: &[u8]) -> std::io::Result<Answer> {
        self.0.get_mut().write_all(request).await?;
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            if self.0.read_until(b'\n', &mut bytes).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut answer = Answer::parse(&bytes);
        let length = answer.header("content-length").parse().expect("a length");
        answer.body.resize(length, 0);
        self.0.read_exact(&mut answer.body).await?;
        Ok(answer)
    }
}

/// The head of a request that ends the connection.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// A whole request.
pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let headers = [headers, &[("Content-Length", length.as_str())]].concat();
    [head(method, path, &headers), body.to_vec()].concat()
}

/// A whole request whose body comes in chunks of `size` bytes.
pub fn chunked(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    size: usize,
) -> Vec<u8> {
    let mut request = head(method, path, &[&[("Transfer-Encoding", "chunked")], headers].concat());
    for chunk in body.chunks(size) {
        request.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        request.extend_from_slice(chunk);
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"0\r\n\r\n");
    request
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    send(address, &head("GET", path, &[])).await
}

pub async fn post(address: SocketAddr, path: &str, content_type: &str, body: &[u8]) -> Answer {
    send(address, &request("POST", path, &[("Content-Type", content_type)], body)).await
}

/// Posts one image's bytes to `/classify`.
pub async fn classify(address: SocketAddr, image: &[u8]) -> Answer {
    post(address, "/classify", "application/octet-stream", image).await
}

/// A form with parts `(name, file name, content)`.
pub fn form(parts: &[(&str, Option<&str>, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map(|f| format!("; filename=\"{f}\"")).unwrap_or_default();
        let head =
            format!("--xyz\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--xyz--\r\n");
    ("multipart/form-data; boundary=xyz".to_owned(), body)
}

/// One metric's value, its labels as in the text; 0 when it is not there.
pub async fn metric(address: SocketAddr, name: &str) -> f64 {
    let text = String::from_utf8(get(address, "/metrics").await.body).unwrap();
    let (name, labels) = name.split_once('{').unwrap_or((name, ""));
    let labels: Vec<&str> = labels.trim_end_matches('}').split(',').collect();
    let value = |line: &str| -> Option<f64> {
        let (series, value) = line.rsplit_once(' ')?;
        let (its_name, its_labels) = series.split_once('{').unwrap_or((series, ""));
        let is_one = its_name == name && labels.iter().all(|label| its_labels.contains(label));
        is_one.then(|| value.parse().unwrap())
    };
    text.lines().filter_map(value).sum()
}

/// Waits until `condition` holds for a metric, as in [`metric`]; panics after 30 seconds.
pub async fn until_that(address: SocketAddr, name: &str, condition: impl Fn(f64) -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let value = metric(address, name).await;
        if condition(value) {
            return;
        }
        assert!(Instant::now() < end, "{name} is still {value}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
