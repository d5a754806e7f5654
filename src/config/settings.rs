//! The resolved configuration: the knobs, the environment and the machine are read here, and nowhere later.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use tracing_subscriber::filter::Targets;

use super::{
    DownloadConfig, ListenAddress, LogFormat, ModelConfig, OverloadStatus, ResolveError,
    ServeConfig, Switch, environment,
};
use crate::machine::Machine;
use googlenet_engine::loaded_model::{ModelSettings, PlanSettings};
use googlenet_engine::weights::Download;

/// What `googlenet serve` does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which model.
    pub model: ModelSettings,
    /// Where clients connect.
    pub listen: SocketAddr,
    /// Where operators connect, if it is another address.
    pub admin_listen: Option<SocketAddr>,
    /// Threads that run the network.
    pub workers: usize,
    /// Images that one run of the network takes at most.
    pub max_batch_size: usize,
    /// How long a worker waits for a fuller batch.
    pub batch_max_wait: Duration,
    /// Images that may wait.
    pub queue_capacity: usize,
    /// From the head of a request to its answer.
    pub request_timeout: Duration,
    /// How long a connection may stay silent, or take to send the head of a request.
    pub header_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Largest body of a request.
    pub max_body_bytes: usize,
    /// Largest image, width times height.
    pub max_pixels: u64,
    /// Images in one request at most.
    pub max_images: usize,
    /// What images and bodies may take.
    pub memory: MemorySettings,
    /// Whether damaged files are refused.
    pub reject_damaged: bool,
    /// Whether answers are explained.
    pub explain: bool,
    /// Networks whose X-Forwarded-For is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Status of the answer when the queue is full.
    pub overload_status: OverloadStatus,
    /// After SIGTERM, how long requests are still taken.
    pub drain_delay: Duration,
    /// After that, how long requests in flight may take.
    pub drain_timeout: Duration,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// Whether browsers get a page at `/`.
    pub page: bool,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// What images and bodies may take. What the limit leaves for them is known only when the model is loaded.
#[derive(Clone, Copy, Debug)]
pub struct MemorySettings {
    /// Of the cgroup, or the machine.
    pub limit_bytes: Option<u64>,
    /// For all images together; none: what the limit leaves.
    pub decode_bytes: Option<u64>,
    /// For all bodies together; none: what the limit leaves.
    pub body_bytes: Option<u64>,
}

/// What is logged, and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Which lines are written.
    pub filter: Targets,
    /// Form of the lines.
    pub format: LogFormat,
    /// Whether text has colours.
    pub colours: bool,
}

/// A value that could be read but not used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// RUST_LOG is no filter.
    #[error(
        "the variable RUST_LOG has the wrong value {0:?}: expected a filter, such as info or \
         googlenet=debug"
    )]
    LogFilter(OsString),
    /// The name of an address cannot be resolved.
    #[error("{source}")]
    Resolve {
        /// The field of [`ServeConfig`] that has it.
        knob: &'static str,
        /// Its host, and what the system said.
        source: ResolveError,
    },
    /// Clients and operators would have the same address.
    #[error("{0} is the address of --listen already: expected another, such as 127.0.0.1:9090")]
    SameAddress(SocketAddr),
}

impl ServeConfig {
    /// What follows from the knobs. Names of hosts are looked up, which blocks the thread.
    ///
    /// # Errors
    /// [`SettingsError`] names what is wrong with a value, alone or beside another.
    pub fn resolve(self, machine: &Machine) -> Result<Settings, SettingsError> {
        let filter = environment::log_filter()?;
        let (listen, admin_listen) = addresses(&self.listen, self.admin_listen.as_ref())?;
        Ok(Settings {
            model: self.model.resolve(machine),
            listen,
            admin_listen,
            workers: self.workers.unwrap_or(machine.cores),
            max_batch_size: self.max_batch_size,
            batch_max_wait: Duration::from_micros(self.batch_max_wait_us),
            queue_capacity: self.queue_capacity,
            request_timeout: Duration::from_millis(self.request_timeout_ms),
            header_timeout: Duration::from_millis(self.header_timeout_ms),
            max_connections: self.max_connections.unwrap_or_else(|| machine.connections()),
            max_body_bytes: self.max_body_bytes,
            max_pixels: self.max_pixels,
            max_images: self.max_images,
            memory: MemorySettings {
                limit_bytes: machine.memory_limit_bytes,
                decode_bytes: self.decode_memory_bytes,
                body_bytes: self.body_memory_bytes,
            },
            reject_damaged: self.reject_damaged == Switch::On,
            explain: self.explain == Switch::On,
            trusted_proxies: self.trusted_proxies,
            overload_status: self.overload_status,
            drain_delay: Duration::from_millis(self.drain_delay_ms),
            drain_timeout: Duration::from_millis(self.drain_timeout_ms),
            cors_origins: self.cors_origins,
            page: self.page == Switch::On,
            log: LogSettings {
                filter,
                format: self.log_format,
                colours: environment::has_colours(),
            },
        })
    }
}

fn addresses(
    listen: &ListenAddress,
    admin: Option<&ListenAddress>,
) -> Result<(SocketAddr, Option<SocketAddr>), SettingsError> {
    let resolve = |address: &ListenAddress, knob| {
        address.resolve().map_err(|source| SettingsError::Resolve { knob, source })
    };
    let listen = resolve(listen, "listen")?;
    let admin = admin.map(|admin| resolve(admin, "admin_listen")).transpose()?;
    match admin {
        Some(admin) if admin == listen && listen.port() != 0 => {
            Err(SettingsError::SameAddress(admin))
        }
        _ => Ok((listen, admin)),
    }
}

impl ModelConfig {
    /// As the engine takes it.
    pub fn resolve(&self, machine: &Machine) -> ModelSettings {
        ModelSettings {
            source: self.model.clone(),
            search: environment::search_path(),
            download: self.download.resolve(),
            max_model_bytes: self.max_model_bytes,
            plan: PlanSettings {
                precision: self.precision.into(),
                calibration: self.calibration.clone(),
                isa: self.isa,
                cores: machine.cores,
            },
        }
    }
}

impl DownloadConfig {
    /// As the engine takes it.
    pub fn resolve(&self) -> Download {
        let mut download = Download {
            certificates: self.tls_certificates.clone(),
            proxies: environment::proxies(),
            ..Download::default()
        };
        if let Some(url) = &self.model_url {
            download.url.clone_from(url);
        }
        download
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        config: ServeConfig,
    }

    fn resolved(flags: &[&str]) -> Result<Settings, SettingsError> {
        let machine =
            Machine { cores: 3, cpu_quota_cores: Some(3.5), memory_limit_bytes: Some(256 << 20) };
        let flags = ["test"].iter().chain(flags);
        Arguments::parse_from(flags).config.resolve(&machine)
    }

    #[test]
    fn what_is_left_open_follows_from_the_machine() {
        let settings = resolved(&["--listen=:8080"]).unwrap();
        assert_eq!((settings.workers, settings.model.plan.cores), (3, 3));
        assert_eq!(settings.max_connections, 512);
        assert_eq!(settings.memory.limit_bytes, Some(256 << 20));
        let settings = resolved(&["--workers=2", "--max-connections=9"]).unwrap();
        assert_eq!((settings.workers, settings.model.plan.cores), (2, 3));
        assert_eq!(settings.max_connections, 9);
    }

    #[test]
    fn clients_and_operators_have_two_addresses() {
        let flags = ["--listen=127.0.0.1:8080", "--admin-listen=127.0.0.1:8080"];
        assert!(matches!(resolved(&flags), Err(SettingsError::SameAddress(_))));
        let any = resolved(&["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"]).unwrap();
        assert_eq!(any.admin_listen, Some(any.listen));
    }
}
