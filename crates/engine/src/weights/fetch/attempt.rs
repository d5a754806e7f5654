//! One request for what is still missing, and the reading of its answer (RFC 9110, section 14).

use std::io::{self, Read};
use std::time::Duration;

use ureq::http::{HeaderMap, HeaderValue, Response, header};
use ureq::{Agent, Body};

use super::error::Failure;
use super::part::Part;
use super::{Download, FetchError, Progress};

/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// The exchanges of one download with its server.
pub(super) struct Exchange<'a> {
    agent: &'a Agent,
    download: &'a Download,
    /// The strong entity tag of what is being received, so that a file that changes between two
    /// attempts is sent anew as a whole.
    tag: Option<HeaderValue>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(agent: &'a Agent, download: &'a Download) -> Self {
        Self { agent, download, tag: None }
    }

    /// Asks for what `part` lacks and appends it; `Ok` when nothing lacks and nothing is left over.
    pub(super) fn run(
        &mut self,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        let response = self.request(part.len())?;
        let status = response.status().as_u16();
        match status {
            200 => {
                if let Some(actual) = response.body().content_length() {
                    self.check_length(actual)?;
                }
                part.clear()?;
                self.tag = strong_tag(response.headers());
            }
            206 if part.len() > 0 => match ContentRange::of(response.headers()) {
                Some(range) if range.start == part.len() => {
                    range.total.map_or(Ok(()), |total| self.check_length(total))?;
                    self.tag = strong_tag(response.headers());
                }
                _ => return Err(self.cannot_resume(part)?),
            },
            416 if part.len() > 0 => return Err(self.cannot_resume(part)?),
            status => return Err(self.refusal(status, response.headers())),
        }
        self.receive(response.into_body(), part, progress)
    }

    fn request(&self, offset: u64) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(&self.download.url);
        if offset > 0 {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
            if let Some(tag) = &self.tag {
                request = request.header(header::IF_RANGE, tag);
            }
        }
        request.call().map_err(|error| Failure::of_exchange(self.download.shown_url(), error))
    }

    fn receive(
        &self,
        body: Body,
        part: &mut Part,
        progress: &mut dyn Progress,
    ) -> Result<(), Failure> {
        let expected = self.download.bytes;
        let url = || self.download.shown_url();
        let mut reader = body.into_reader();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let read = match reader.read(&mut chunk) {
                Ok(0) if part.len() == expected => return Ok(()),
                Ok(0) => {
                    let received = part.len();
                    let error = FetchError::Short { url: url(), received, expected };
                    return Err(Failure::passing(error));
                }
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What counts is that all of it is there, not how the connection ends.
                Err(_) if part.len() == expected => return Ok(()),
                Err(error) => return Err(Failure::of_exchange(url(), error.into())),
            };
            if part.len() + read as u64 > expected {
                return Err(Failure::WrongFile(FetchError::TooLong { url: url(), expected }));
            }
            part.append(&chunk[..read])?;
            progress.received(part.len(), expected);
        }
    }

    fn check_length(&self, actual: u64) -> Result<(), FetchError> {
        let expected = self.download.bytes;
        if actual == expected {
            return Ok(());
        }
        let url = self.download.shown_url();
        Err(FetchError::Length { url, expected, actual })
    }

    /// Empties `part`, so that the next attempt asks for the whole.
    fn cannot_resume(&mut self, part: &mut Part) -> Result<Failure, FetchError> {
        let error = FetchError::Range { url: self.download.shown_url(), offset: part.len() };
        part.clear()?;
        self.tag = None;
        Ok(Failure::passing(error))
    }

    fn refusal(&self, status: u16, headers: &HeaderMap) -> Failure {
        let error = FetchError::Status { url: self.download.shown_url(), status };
        match status {
            408 | 429 | 500 | 502 | 503 | 504 => {
                Failure::Passing { error, pause: retry_after(headers) }
            }
            _ => Failure::Lasting(error),
        }
    }
}

/// The entity tag, unless it is a weak one: those may not be used with ranges.
fn strong_tag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(header::ETAG).filter(|tag| tag.as_bytes().starts_with(b"\"")).cloned()
}

/// `Retry-After` in its form with seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// `Content-Range: bytes START-END/TOTAL`, where the total may be unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ContentRange {
    start: u64,
    total: Option<u64>,
}

impl ContentRange {
    fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (start, _end) = range.split_once('-')?;
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        Some(Self { start: start.trim().parse().ok()?, total })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges() {
        let range = |start, total| Some(ContentRange { start, total });
        assert_eq!(ContentRange::parse("bytes 5-9/10"), range(5, Some(10)));
        assert_eq!(ContentRange::parse("bytes 5-9/*"), range(5, None));
        for bad in ["", "bytes */10", "bytes 5-9", "bytes -9/10", "lines 5-9/10", "bytes 5-9/x"] {
            assert_eq!(ContentRange::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_strong_tags_vouch_for_bytes() {
        let headers =
            |tag: &str| HeaderMap::from_iter([(header::ETAG, HeaderValue::from_str(tag).unwrap())]);
        assert_eq!(strong_tag(&headers("\"a\"")).unwrap(), "\"a\"");
        assert_eq!(strong_tag(&headers("W/\"a\"")), None);
        assert_eq!(strong_tag(&HeaderMap::new()), None);
    }
}
