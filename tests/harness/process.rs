//! The program as a process of its own.

use std::io::{BufRead, BufReader, Lines, Result};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The lines of a service's log.
pub type LogLines =
    std::iter::MapWhile<Lines<BufReader<ChildStderr>>, fn(Result<String>) -> Option<String>>;

/// `googlenet serve` in another process; killed when it is dropped.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
}

impl Process {
    /// Starts it on `model` with `flags` and waits until it is ready.
    pub fn start(model: &Path, flags: &[&str]) -> Self {
        let (process, log) = Self::start_with_log(model, flags);
        // Read on, so that the log never fills its pipe.
        std::thread::spawn(move || log.for_each(drop));
        process
    }

    /// The same, with the rest of its log, which the caller reads, or not.
    pub fn start_with_log(model: &Path, flags: &[&str]) -> (Self, LogLines) {
        Self::start_until("ready", &mut serve(model, "127.0.0.1:0", flags))
    }

    /// The same with an environment variable.
    pub fn start_with(model: &Path, flags: &[&str], name: &str, value: &str) -> (Self, LogLines) {
        Self::start_until("ready", serve(model, "127.0.0.1:0", flags).env(name, value))
    }

    /// The same, but while it is still loading its model.
    pub fn start_loading(model: &Path, flags: &[&str]) -> (Self, LogLines) {
        Self::start_until("listening", &mut serve(model, "127.0.0.1:0", flags))
    }

    /// Starts the program without any argument, with these variables, and waits until it is ready.
    pub fn start_alone(variables: &[(&str, &str)]) -> (Self, LogLines) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.env("GOOGLENET_LOG_FORMAT", "json").env("GOOGLENET_LISTEN", "127.0.0.1:0");
        Self::start_until("ready", command.envs(variables.iter().copied()))
    }

    /// Starts it and reads its log up to `message`.
    fn start_until(message: &str, command: &mut Command) -> (Self, LogLines) {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = None;
        for line in lines.by_ref().map_while(Result::ok) {
            let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
            if event["message"] == "listening" {
                address = event["address"].as_str().unwrap().parse().ok();
            }
            if event["message"] == message {
                break;
            }
        }
        let address = address.expect("it listens before it is ready");
        (Self { child, address }, lines.map_while(Result::ok as fn(_) -> _))
    }

    /// Starts it with its log in `log`, where nobody can read its address, and does not wait.
    pub fn start_logging_to(model: &Path, flags: &[&str], log: Stdio) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let child = serve(model, &address.to_string(), flags).stderr(log).spawn().unwrap();
        Self { child, address }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let status = Command::new("kill").args(["-TERM", &self.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end, at most `limit`.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let end = Instant::now() + limit;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// The processor time that it has taken so far, in clock ticks: unlike the time on a clock it hardly depends on what
    /// else the machine does.
    pub fn processor_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The name before them, in parentheses, may hold anything (proc_pid_stat(5)).
        let fields = stat.rsplit_once(')').expect("a name").1.split_whitespace();
        let user_and_system = fields.skip(11).take(2);
        user_and_system.map(|ticks| ticks.parse::<u64>().unwrap()).sum()
    }

    /// The most memory that it had at once, in KiB.
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        peak.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Begins the count of [`Self::peak_memory_kib`] anew, from what it has now.
    pub fn forget_peak_memory(&self) {
        // Where this is not allowed the peaks go on growing, and bounds on them hold all the same.
        let _ = std::fs::write(format!("/proc/{}/clear_refs", self.id()), "5");
    }

    /// Its open file descriptors.
    pub fn open_files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }
}

fn serve(model: &Path, address: &str, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
    command.args(["serve", "--log-format=json"]);
    command.arg(format!("--listen={address}")).arg(format!("--model={}", model.display()));
    command.args(flags);
    command
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
