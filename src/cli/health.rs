//! `googlenet health`: a probe for containers that have no shell and no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use clap::Args;

use super::CliError;
use super::origins::Origins;
use crate::config::ListenAddress;

#[derive(Args)]
pub(super) struct HealthArgs {
    /// The service's address, in the forms that `serve` takes; all interfaces (0.0.0.0) mean this host.
    #[arg(long, env = "GOOGLENET_LISTEN", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: ListenAddress,

    /// Ask whether it is alive (/healthz) instead of ready (/readyz).
    #[arg(long)]
    live: bool,

    /// How long to wait for the answer.
    #[arg(long, value_name = "MS", default_value_t = 2_000)]
    timeout_ms: u64,
}

/// Succeeds when the service answers 200.
pub(super) fn health(args: &HealthArgs, origins: &Origins) -> Result<(), CliError> {
    let mut address = args.listen.resolve().map_err(|e| origins.wrong("listen", e))?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    let path = if args.live { "healthz" } else { "readyz" };
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_millis(args.timeout_ms)))
        .proxy(None)
        .build()
        .into();
    let answer = agent.get(format!("http://{address}/{path}")).call();
    answer.map(|_| ()).map_err(|e| CliError::Failed(format!("{address}/{path}: {e}")))
}
