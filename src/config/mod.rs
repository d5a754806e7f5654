//! Every knob of the service: flag, environment variable and default together; [`Settings`] is what follows from them.

mod environment;
mod forms;
mod listen;
mod settings;

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ipnet::IpNet;

use forms::{count, number};
use googlenet_engine::model;
use googlenet_engine::weights::ModelSource;
use googlenet_kernels::isa::IsaChoice;

pub use environment::{has_colours, search_path};
pub use forms::FormError;
pub use listen::{ListenAddress, ListenAddressError, ResolveError};
pub use settings::{LogSettings, MemorySettings, Settings, SettingsError};

/// What `--max-images` may be at most.
pub const MOST_IMAGES: usize = 100_000;

/// What `--max-model-bytes` is by default.
pub const MAX_MODEL_BYTES: u64 = 1 << 30;

/// Which model, and in which number format.
#[derive(Clone, Debug, Args)]
pub struct ModelConfig {
    /// The ONNX file to use (with a TOML of the same name beside it that describes it), or
    /// `untrained` for seeded random weights. If left out: the first googlenet.onnx found in
    /// models/, ../shared/models/ and the cache folder, else it is downloaded into the cache.
    #[arg(
        long,
        env = "GOOGLENET_MODEL",
        value_name = "PATH",
        default_value = "default",
        hide_default_value = true
    )]
    pub model: ModelSource,

    /// Where it is downloaded from.
    #[command(flatten)]
    pub download: DownloadConfig,

    /// Largest model that is read, its files together.
    #[arg(long, env = "GOOGLENET_MAX_MODEL_BYTES", value_name = "BYTES", default_value_t = MAX_MODEL_BYTES, value_parser = number(1, u64::MAX))]
    pub max_model_bytes: u64,

    /// Number format of the arithmetic.
    #[arg(long, env = "GOOGLENET_PRECISION", value_enum, default_value_t = Precision::F32)]
    pub precision: Precision,

    /// Calibration table for int8, made by `googlenet calibrate` [default: the file beside the ONNX
    /// file with `.int8.toml` in place of `.onnx`, else the built-in one of the BVLC weights].
    #[arg(long, env = "GOOGLENET_CALIBRATION", value_name = "TOML")]
    pub calibration: Option<PathBuf>,

    /// Instruction set of the kernels: portable, avx2, avxvnni, avx512, avx512vnni, or auto for the fastest
    /// that the machine has. Those of f32 use what they can of it.
    #[arg(long, env = "GOOGLENET_ISA", value_name = "ISA", default_value = "auto", value_parser = forms::isa)]
    pub isa: IsaChoice,
}

/// Where weights that are not at hand are downloaded from.
#[derive(Clone, Debug, Args)]
pub struct DownloadConfig {
    /// Where the weights are downloaded from when none are at hand; their SHA-256 is pinned.
    #[arg(long, env = "GOOGLENET_MODEL_URL", value_name = "URL", value_parser = forms::url)]
    pub model_url: Option<String>,

    /// PEM file of the certificates that the download's server is checked with, instead of those
    /// inside the program.
    #[arg(long, env = "SSL_CERT_FILE", value_name = "PEM")]
    pub tls_certificates: Option<PathBuf>,
}

/// Number format of the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// Activations and weights of 8 bits: less memory, and faster with AVX2 or AVX-512, though not in
    /// portable code; needs a calibration table. `googlenet bench --compare` measures both.
    Int8,
}

impl From<Precision> for model::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::F32 => Self::F32,
            Precision::Int8 => Self::Int8,
        }
    }
}

/// The service's knobs.
#[derive(Clone, Debug, Args)]
pub struct ServeConfig {
    /// Which model.
    #[command(flatten)]
    pub model: ModelConfig,

    /// Address and port to listen on, such as 127.0.0.1:8080 or localhost:8080; :8080 and 8080 mean
    /// all interfaces of IPv4.
    #[arg(long, env = "GOOGLENET_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub listen: ListenAddress,

    /// A second address for /model, /metrics, the metadata under /v2/models, and the docs, which
    /// then leave the first; its page has all tabs.
    #[arg(long, env = "GOOGLENET_ADMIN_LISTEN", value_name = "ADDR")]
    pub admin_listen: Option<ListenAddress>,

    /// Threads that run the network [default: the cores that the CPU quota gives].
    #[arg(long, env = "GOOGLENET_WORKERS", value_name = "N", value_parser = count(1, 1024))]
    pub workers: Option<usize>,

    /// Images that one run of the network takes at most.
    #[arg(long, env = "GOOGLENET_MAX_BATCH_SIZE", value_name = "IMAGES", default_value = "8", value_parser = count(1, 1024))]
    pub max_batch_size: usize,

    /// How long a worker that comes free under load waits for a fuller batch, counted from the
    /// oldest image. 0: never. An image that finds a worker idle never waits.
    #[arg(long, env = "GOOGLENET_BATCH_MAX_WAIT_US", value_name = "US", default_value_t = 0, value_parser = number(0, 10_000_000))]
    pub batch_max_wait_us: u64,

    /// Images that may wait, those being decoded included; more are refused at once.
    #[arg(long, env = "GOOGLENET_QUEUE_CAPACITY", value_name = "IMAGES", default_value = "128", value_parser = count(1, 1_000_000))]
    pub queue_capacity: usize,

    /// From the head of a request to its answer, the body's arrival included.
    #[arg(long, env = "GOOGLENET_REQUEST_TIMEOUT_MS", value_name = "MS", default_value_t = 10_000, value_parser = milliseconds(1))]
    pub request_timeout_ms: u64,

    /// How long a connection may stay silent, or take to send the head of a request.
    #[arg(long, env = "GOOGLENET_HEADER_TIMEOUT_MS", value_name = "MS", default_value_t = 15_000, value_parser = milliseconds(1))]
    pub header_timeout_ms: u64,

    /// Connections at once; more wait in the backlog [default: one for each 512 KiB of the memory
    /// limit, at most 8192].
    #[arg(long, env = "GOOGLENET_MAX_CONNECTIONS", value_name = "N", value_parser = count(1, 1_000_000))]
    pub max_connections: Option<usize>,

    /// Largest body of a request.
    #[arg(long, env = "GOOGLENET_MAX_BODY_BYTES", value_name = "BYTES", default_value = "20971520", value_parser = count(1, 1 << 31))]
    pub max_body_bytes: usize,

    /// Largest image, width times height, read from its header.
    #[arg(long, env = "GOOGLENET_MAX_PIXELS", value_name = "PIXELS", default_value_t = 32_000_000, value_parser = number(1, u64::MAX))]
    pub max_pixels: u64,

    /// Images in one request at most.
    #[arg(long, env = "GOOGLENET_MAX_IMAGES", value_name = "IMAGES", default_value = "32", value_parser = count(1, MOST_IMAGES as u64))]
    pub max_images: usize,

    /// Memory that all images may take together, from their decoding to their answer [default: what
    /// the memory limit leaves beside the loaded model, the bodies and a reserve, at most 1 GiB].
    #[arg(long, env = "GOOGLENET_DECODE_MEMORY_BYTES", value_name = "BYTES", value_parser = number(1 << 20, u64::MAX))]
    pub decode_memory_bytes: Option<u64>,

    /// Memory that the bodies of all requests may take together, never less than the largest one;
    /// past it they are refused as when the queue is full. Answers that clients have yet to read may take a
    /// quarter as much beside it [default: three eighths of what the memory limit leaves beside the
    /// loaded model and a reserve, at most 1 GiB].
    #[arg(long, env = "GOOGLENET_BODY_MEMORY_BYTES", value_name = "BYTES", value_parser = number(0, u64::MAX))]
    pub body_memory_bytes: Option<u64>,

    /// Whether a file that ends too early or has wrong bytes in it is refused with 422, though what can be
    /// made of it could be classified; its answer has `warnings` otherwise.
    #[arg(long, env = "GOOGLENET_REJECT_DAMAGED", value_enum, default_value_t = Switch::Off)]
    pub reject_damaged: Switch,

    /// Whether answers are explained: POST /explain, POST /activations, and the parameter `explain` of POST /classify.
    #[arg(long, env = "GOOGLENET_EXPLAIN", value_enum, default_value_t = Switch::On)]
    pub explain: Switch,

    /// Networks of the proxies in front, whose X-Forwarded-For is believed: the places in the queue are
    /// shared out by client address.
    #[arg(long, env = "GOOGLENET_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',', value_parser = forms::network)]
    pub trusted_proxies: Vec<IpNet>,

    /// Status of the answer when the queue is full: 503 for balancers that retry on that only.
    #[arg(long, env = "GOOGLENET_OVERLOAD_STATUS", value_enum, default_value_t = OverloadStatus::TooManyRequests)]
    pub overload_status: OverloadStatus,

    /// After SIGTERM, how long requests are still taken while /readyz says 503.
    #[arg(long, env = "GOOGLENET_DRAIN_DELAY_MS", value_name = "MS", default_value_t = 2_000, value_parser = milliseconds(0))]
    pub drain_delay_ms: u64,

    /// After that, how long requests in flight may take.
    #[arg(long, env = "GOOGLENET_DRAIN_TIMEOUT_MS", value_name = "MS", default_value_t = 7_000, value_parser = milliseconds(0))]
    pub drain_timeout_ms: u64,

    /// Origins that browsers may call from (`*` for any); none if left out.
    #[arg(long, env = "GOOGLENET_CORS_ORIGINS", value_name = "ORIGIN", value_delimiter = ',', value_parser = forms::origin)]
    pub cors_origins: Vec<String>,

    /// Whether browsers get a page at / that classifies photos and shows what the network sees.
    #[arg(long, env = "GOOGLENET_PAGE", value_enum, default_value_t = Switch::On)]
    pub page: Switch,

    /// Form of the log on standard error; RUST_LOG filters it.
    #[arg(long, env = "GOOGLENET_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Status of the answer when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverloadStatus {
    /// 429 Too Many Requests.
    #[value(name = "429")]
    TooManyRequests,
    /// 503 Service Unavailable.
    #[value(name = "503")]
    ServiceUnavailable,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

/// Form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Milliseconds, a day at most.
fn milliseconds(least: u64) -> impl Fn(&str) -> Result<u64, FormError> + Clone {
    number(least, 24 * 60 * 60 * 1000)
}
