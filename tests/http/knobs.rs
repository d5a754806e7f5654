//! Every knob of every command, as the program's own help lists them: a variable that is empty is as
//! one that is not set, and a wrong one is told in one line that names it.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::{images, small_model};

/// Names no weights, no file, no address and no number.
const WRONG: &str = "not valid";

/// A folder in which no weights are found, beside none in which they would be.
struct Place {
    _root: tempfile::TempDir,
    folder: PathBuf,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("a/b");
        std::fs::create_dir_all(&folder).unwrap();
        Self { _root: root, folder }
    }

    /// The program with no variable but those that it needs here.
    fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_googlenet"));
        command.args(arguments).current_dir(&self.folder).env_clear();
        // Where nothing is, and nobody answers, should it be asked after all.
        command.env("XDG_CACHE_HOME", self.folder.join("cache")).stdin(Stdio::null());
        command.env("NO_PROXY", "*");
        command
    }

    fn help(&self, arguments: &[&str]) -> String {
        let Output { status, stdout, .. } = self.program(arguments).output().unwrap();
        assert!(status.success(), "{arguments:?}");
        String::from_utf8(stdout).unwrap()
    }

    /// The commands that the help lists.
    fn commands(&self) -> Vec<String> {
        let help = self.help(&["--help"]);
        let (_, list) = help.split_once("Commands:\n").unwrap();
        let (list, _) = list.split_once("\n\n").unwrap();
        // Wrapped lines are indented further.
        let lines = list.lines().filter_map(|line| line.strip_prefix("  "));
        let lines = lines.filter(|line| !line.starts_with(' '));
        let names = lines.filter_map(|line| line.split(' ').next()).map(str::to_owned);
        names.filter(|name| name != "help").collect()
    }

    /// The variables that a command's help shows.
    fn variables(&self, command: &str) -> BTreeSet<String> {
        let help = self.help(&[command, "--help"]);
        let words: Vec<&str> = help.split_whitespace().collect();
        let shown = words.windows(2).filter(|pair| pair[0] == "[env:");
        shown.map(|pair| pair[1].split(['=', ']']).next().unwrap().to_owned()).collect()
    }

    /// The long flags that a command's help shows.
    fn flags(&self, command: &str) -> BTreeSet<String> {
        let help = self.help(&[command, "--help"]);
        let starts = help.lines().map(str::trim_start);
        let starts = starts.map(|line| line.strip_prefix("-h, ").unwrap_or(line));
        let flags = starts.filter(|line| line.starts_with("--"));
        flags.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }
}

/// A command and what it cannot do without.
fn invocation(command: &str) -> Vec<&str> {
    match command {
        "classify" => vec!["classify", "photo.png"],
        "explain" => vec!["explain", "photo.png", "--output", "why.png"],
        "calibrate" => vec!["calibrate", ".", "--output", "table.toml"],
        "bench" => vec!["bench", "--images=1", "--only=input", "photo.png"],
        "inspect" => vec!["inspect", "small.onnx"],
        "init" => vec!["init", "--side=32", "--classes=10", "--output", "made.onnx"],
        other => vec![other],
    }
}

/// A line of the service's log that contains `text`; all that it said if there is none.
fn line_with(child: &mut Child, text: &str) -> Result<String, Vec<String>> {
    let mut said = Vec::new();
    for line in BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok) {
        if line.contains(text) {
            return Ok(line);
        }
        said.push(line);
    }
    Err(said)
}

/// Starts the service and ends it as soon as it listens.
fn assert_listens(mut command: Command, what: &str) -> String {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let line = line_with(&mut child, "listening");
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap_or_else(|said| panic!("{what}: {said:?}"))
}

fn serve(place: &Place) -> Command {
    place.program(&["serve", "--listen=127.0.0.1:0", "--model=untrained"])
}

#[test]
fn the_help_lists_knobs() {
    let place = Place::new();
    let commands = place.commands();
    for command in ["serve", "classify", "fetch", "health"] {
        assert!(commands.iter().any(|name| name == command), "{commands:?}");
    }
    let serve = place.variables("serve");
    assert!(serve.len() >= 25 && serve.contains("GOOGLENET_LISTEN"), "{serve:?}");
    let flags = place.flags("serve");
    assert!(flags.contains("--listen") && flags.contains("--help"), "{flags:?}");
}

#[test]
fn the_help_shows_empty_variables_too() {
    let place = Place::new();
    for arguments in [["serve", "--help"], ["help", "serve"]] {
        let mut command = place.program(&arguments);
        let output = command.env("GOOGLENET_WORKERS", "").output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && help.contains("GOOGLENET_WORKERS"), "{help}");
    }
}

#[test]
fn an_empty_variable_is_as_one_that_is_not_set() {
    let place = Place::new();
    let variables = place.variables("serve");
    for variable in variables.iter().map(String::as_str).chain(["RUST_LOG", "ALL_PROXY"]) {
        let mut command = serve(&place);
        command.env(variable, "");
        assert_listens(command, variable);
    }
    let mut command = serve(&place);
    command.envs(variables.iter().map(|variable| (variable, "")));
    assert_listens(command, "all of them");
}

/// The flags of `serve` stand in for these variables above.
#[test]
fn an_empty_address_and_model_are_the_defaults() {
    let place = Place::new();
    let mut command = place.program(&["serve", "--model=untrained"]);
    let mut child = command.env("GOOGLENET_LISTEN", "").stderr(Stdio::piped()).spawn().unwrap();
    // Another program may listen there.
    let line = line_with(&mut child, "0.0.0.0:8080");
    child.kill().unwrap();
    child.wait().unwrap();
    line.unwrap();

    let mut command = place.program(&["health", "--timeout-ms=100"]);
    let output = command.env("GOOGLENET_LISTEN", "").output().unwrap();
    assert_ne!(output.status.code(), Some(64), "{output:?}");

    let mut command = place.program(&["fetch"]);
    let folder = place.folder.join("models");
    std::fs::create_dir(&folder).unwrap();
    let model = small_model(&folder);
    for ending in ["onnx", "toml"] {
        std::fs::rename(model.with_extension(ending), folder.join(format!("googlenet.{ending}")))
            .unwrap();
    }
    command.envs(place.variables("fetch").iter().map(|variable| (variable, "")));
    let output = command.envs([("GOOGLENET_MODEL", "")]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_command_takes_empty_variables() {
    let place = Place::new();
    let model = small_model(&place.folder);
    std::fs::write(place.folder.join("photo.png"), images::png(1)).unwrap();
    for command in ["classify", "explain", "summary", "calibrate", "bench", "inspect", "init"] {
        let variables = place.variables(command);
        let mut program = place.program(&invocation(command));
        program.envs(variables.iter().map(|variable| (variable, "")));
        if !variables.is_empty() {
            program.arg("--model").arg(&model);
        }
        let output = program.output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    }
}

/// Runs `command` with a wrong variable and gives the one line that it says.
fn refusal(place: &Place, command: &str, variable: &str, value: &OsStr) -> String {
    let mut program = place.program(&invocation(command));
    if variable != "GOOGLENET_MODEL_URL" && place.variables(command).contains("GOOGLENET_MODEL_URL")
    {
        program.env("GOOGLENET_MODEL_URL", "http://127.0.0.1:1/");
    }
    let Output { status, stderr, .. } = program.env(variable, value).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(64), "{command} with {variable}={value:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{command} with {variable}={value:?}: {said}");
    assert!(said.starts_with("error: ") && said.contains(variable), "{said}");
    said
}

#[test]
fn a_wrong_variable_is_told_in_one_line() {
    let place = Place::new();
    small_model(&place.folder);
    let not_utf8 = OsStr::from_bytes(b"\xff\xfe");
    for command in place.commands() {
        for variable in place.variables(&command) {
            // A table that is to be made need not be there.
            if (command.as_str(), variable.as_str()) == ("calibrate", "GOOGLENET_CALIBRATION") {
                continue;
            }
            let said = refusal(&place, &command, &variable, OsStr::new(WRONG));
            assert!(said.contains(WRONG), "{said}");
            let has_a_form = ["expected", "give the path", "make one"];
            assert!(has_a_form.iter().any(|form| said.contains(form)), "{said}");
            refusal(&place, &command, &variable, not_utf8);
        }
    }
}

#[test]
fn the_line_says_what_is_expected() {
    let place = Place::new();
    for (variable, value, expected) in [
        ("GOOGLENET_WORKERS", "0", "expected a whole number from 1 to 1024"),
        ("GOOGLENET_PRECISION", "f16", "expected f32 or int8"),
        ("GOOGLENET_ISA", "sse9", "expected auto, portable, avx2, avxvnni, avx512 or avx512vnni"),
        ("GOOGLENET_LISTEN", "nowhere", "such as 0.0.0.0:8080, localhost:8080 or :8080"),
        ("GOOGLENET_TRUSTED_PROXIES", "10.0.0.0/8,ten", "such as 10.0.0.0/8,fd00::/8"),
        ("GOOGLENET_CORS_ORIGINS", "not an origin", "such as https://example.com"),
        ("GOOGLENET_MODEL_URL", "ftp://a", "such as https://example.com/googlenet.onnx"),
        ("GOOGLENET_MODEL", "no.onnx", "no.onnx does not exist"),
        ("RUST_LOG", "a=b=c", "such as info or googlenet=debug"),
        ("RUST_LOG", "info,loud", "such as info or googlenet=debug"),
        ("RUST_LOG", "googlenet[request]=debug", "such as info or googlenet=debug"),
    ] {
        let said = refusal(&place, "serve", variable, OsStr::new(value));
        assert!(said.contains(expected), "{said}");
    }
    refusal(&place, "serve", "RUST_LOG", OsStr::from_bytes(b"\xff"));
    let url = OsStr::new("ftp://ada:secret@host/x");
    let said = refusal(&place, "serve", "GOOGLENET_MODEL_URL", url);
    assert!(!said.contains("secret") && said.contains("ftp://host/x"), "{said}");
}

#[test]
fn a_wrong_flag_is_told_by_its_name() {
    let place = Place::new();
    let run = |arguments: &[&str]| {
        let mut program = place.program(arguments);
        // The flag is at fault, whatever the variable is.
        let output = program.env("GOOGLENET_WORKERS", "2").output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, said) = run(&["serve", "--workers=many"]);
    assert!(said.contains("--workers") && !said.contains("GOOGLENET_WORKERS"), "{said}");
    assert_eq!(status, Some(2));
    let (status, said) = run(&["serve", "--model=no.onnx"]);
    assert!(said.starts_with("error: --model: ") && said.lines().count() == 1, "{said}");
    assert_eq!(status, Some(1));
}

#[test]
fn two_addresses_that_are_one_are_refused() {
    let place = Place::new();
    let mut command = place.program(&["serve", "--model=untrained", "--listen=127.0.0.1:8081"]);
    let output = command.env("GOOGLENET_ADMIN_LISTEN", "localhost:8081").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(64), 1), "{said}");
    assert!(said.contains("GOOGLENET_ADMIN_LISTEN: 127.0.0.1:8081 is "), "{said}");
    assert!(said.contains("--listen"), "{said}");
}

#[test]
fn a_host_that_cannot_be_resolved_is_told_in_one_line() {
    let place = Place::new();
    // RFC 6761: nobody may have it.
    let said = refusal(&place, "serve", "GOOGLENET_LISTEN", OsStr::new("nowhere.invalid:8080"));
    assert!(said.contains("nowhere.invalid") && said.contains("such as"), "{said}");
}

#[test]
fn addresses_are_taken_in_every_form() {
    let place = Place::new();
    for (given, listens_on) in [
        ("127.0.0.1:0", "127.0.0.1:"),
        ("localhost:0", "127.0.0.1:"),
        (":0", "0.0.0.0:"),
        ("*:0", "0.0.0.0:"),
        ("0", "0.0.0.0:"),
        (" 0.0.0.0:0 ", "0.0.0.0:"),
    ] {
        let mut command = place.program(&["serve", "--model=untrained", "--log-format=json"]);
        command.envs([("GOOGLENET_LISTEN", given), ("GOOGLENET_ADMIN_LISTEN", given)]);
        let line = assert_listens(command, given);
        let event: serde_json::Value = serde_json::from_str(&line).unwrap();
        for address in ["address", "admin_address"] {
            let address = event[address].as_str().unwrap();
            assert!(address.starts_with(listens_on), "{given}: {line}");
        }
    }
}

#[test]
fn fetch_takes_what_it_uses() {
    let place = Place::new();
    let flags = place.flags("fetch");
    let expected = ["--help", "--model-url", "--tls-certificates"].map(str::to_owned);
    assert_eq!(flags, BTreeSet::from(expected));
    let output = place.program(&["fetch", "--precision=int8"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// A command that would download, with a proxy that is none.
fn with_proxy(place: &Place, variable: &str, value: &OsStr, arguments: &[&str]) -> Output {
    let mut program = place.program(arguments);
    program.env_remove("NO_PROXY").env("GOOGLENET_MODEL_URL", "http://127.0.0.1:1/");
    program.env(variable, value).output().unwrap()
}

#[test]
fn a_proxy_that_cannot_be_read_is_told_before_a_download() {
    let place = Place::new();
    let wrong = ["gopher://ada:secret@x", "not a proxy"].map(OsString::from);
    for variable in ["ALL_PROXY", "https_proxy", "HTTP_PROXY"] {
        for (value, arguments) in wrong.iter().zip([["fetch"], ["serve"]]) {
            let output = with_proxy(&place, variable, value, &arguments);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(64), "{said}");
            assert_eq!(said.lines().count(), 1, "{said}");
            assert!(
                said.contains(variable) && said.contains("http://proxy.example:3128"),
                "{said}"
            );
            assert!(!said.contains("secret"), "{said}");
        }
    }
    // Nothing is downloaded: the variable is for others.
    let mut command = serve(&place);
    command.env("HTTPS_PROXY", "gopher://x");
    assert_listens(command, "HTTPS_PROXY");
}

#[test]
fn empty_proxy_variables_are_as_none() {
    let place = Place::new();
    let mut program = place.program(&["fetch", "--model-url=http://127.0.0.1:1/"]);
    program.env_remove("NO_PROXY");
    for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
        program.env(name, "").env(name.to_lowercase(), "");
    }
    // The certificates are wrong, so that it ends before it tries anything.
    let output = program.env("SSL_CERT_FILE", Path::new("no.pem")).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), said.lines().count()), (Some(64), 1), "{said}");
    assert!(said.contains("SSL_CERT_FILE"), "{said}");
}

/// Portable code is the only one where int8 is slower, whatever the machine.
#[test]
fn slow_int8_is_told_at_the_start() {
    let place = Place::new();
    let warning = "int8 is slower than f32";
    let before_it_listens = |precision: &str| {
        let mut command = serve(&place);
        command.args(["--isa=portable", "--log-format=text", precision]).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let said: Vec<String> = lines.take_while(|line| !line.contains("listening")).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        said.join("\n")
    };
    let said = before_it_listens("--precision=int8");
    assert!(said.contains(warning) && said.contains("use --precision f32"), "{said}");
    let said = before_it_listens("--precision=f32");
    assert!(said.contains("starting") && !said.contains(warning), "{said}");
}
