//! A desk: a home folder, a world, and the program.

use std::ffi::OsStr;
use std::io::Read as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use belay_runbook::policy::Policy;
use belay_testkit::world::World;
use serde_json::Value;
use tempfile::TempDir;

/// How long a condition may take to come true on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Where the programs lie: beside this test, whose own folder is one deeper.
pub fn programs() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let folder = own.parent().and_then(Path::parent).unwrap().to_owned();
    for program in ["belay", "belay-world"] {
        assert!(
            folder.join(program).is_file(),
            "`{}` is not there; `cargo nextest run --workspace` builds it, and so does `cargo build --workspace --bins --tests`",
            folder.join(program).display()
        );
    }
    folder
}

/// How a program ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            signal: output.status.signal(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub fn was_killed(&self) -> bool {
        self.signal == Some(9)
    }

    /// The whole output as one document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not one document ({error}): {self:#?}"))
    }

    /// The output as one document a line; a last line that was cut off by a kill is left out.
    pub fn json_lines(&self) -> Vec<Value> {
        let whole = self.stdout.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"))).collect()
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "the exit code of the contract: {self:#?}");
        self
    }
}

pub struct Desk {
    pub folder: TempDir,
    pub home: PathBuf,
    pub world: World,
    pub world_folder: PathBuf,
    /// What the environment of every command says beside that of any desk: secrets, where no keyring is asked.
    pub variables: Vec<(String, String)>,
    programs: PathBuf,
}

impl Desk {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().join("home");
        let world_folder = folder.path().join("world");
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&world_folder).unwrap();
        let desk = Self {
            world: World::new(world_folder.clone()),
            home,
            world_folder,
            folder,
            variables: Vec::new(),
            programs: programs(),
        };
        desk.allow_reads();
        desk
    }

    /// Makes `belay-world get` a command that only reads, as a team would in its policy.
    fn allow_reads(&self) {
        let policy = Policy::default_text();
        let allowed = policy.replacen("readCommands:\n", "readCommands:\n  - belay-world --dir * get **\n", 1);
        assert_ne!(policy, allowed, "the default policy lists read commands");
        std::fs::write(self.home.join("policy.yaml"), allowed).unwrap();
    }

    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// A command of the program, with an environment that says nothing else.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(self.programs.join("belay"));
        let path = std::env::join_paths(
            std::iter::once(self.programs.clone())
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        command
            .env_clear()
            .env("PATH", path.unwrap())
            .env("HOME", self.folder.path())
            .env("BELAY_HOME", &self.home)
            .env("BELAY_RESPONDER", "alice")
            // No test asks the keyring of whoever runs it.
            .env("BELAY_KEYRING", "off")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    pub fn belay<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Ran {
        Ran::new(&self.command(arguments).output().unwrap())
    }

    /// Runs a command that was made by [`Desk::command`] to its end.
    pub fn finish(mut command: Command) -> Ran {
        Ran::new(&command.output().unwrap())
    }

    /// Starts the program and leaves it running.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { child: Some(child) }
    }

    pub fn status(&self, execution: &str) -> Value {
        self.belay(["status", execution, "--json"]).exits(0).json()
    }

    /// The ids of all executions, newest first.
    pub fn executions(&self) -> Vec<String> {
        let list = self.belay(["executions", "--json"]).exits(0).json();
        list.as_array().unwrap().iter().map(|one| one["execution"].as_str().unwrap().to_owned()).collect()
    }
}

/// A program that runs; killed when dropped.
pub struct Running {
    child: Option<Child>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn kill(mut self) -> Ran {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        finish(child)
    }

    pub fn wait(mut self) -> Ran {
        let mut child = self.child.take().unwrap();
        let until = Instant::now() + PATIENCE;
        // What it prints is taken meanwhile, so that it never waits for a full pipe.
        let mut stdout = child.stdout.take().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let out = std::thread::spawn(move || read(&mut stdout));
        let err = std::thread::spawn(move || read(&mut stderr));
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "the program ends");
            std::thread::sleep(Duration::from_millis(5));
        };
        Ran::new(&Output { status, stdout: out.join().unwrap(), stderr: err.join().unwrap() })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

fn read(from: &mut impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}

fn finish(mut child: Child) -> Ran {
    // The helper does not hold these pipes, so they end with the program.
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut stdout).unwrap();
    child.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
    let status = child.wait().unwrap();
    Ran::new(&Output { status, stdout, stderr })
}

/// Waits until something holds.
#[track_caller]
pub fn eventually<T>(what: &str, mut holds: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = holds() {
            return value;
        }
        assert!(Instant::now() < until, "{what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that carry the mark of an invocation.
pub fn processes_of(mark: &str) -> Vec<i32> {
    let wanted = format!("BELAY_INVOCATION={mark}");
    processes(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes()))
}

/// The processes of the program that serve a home.
pub fn processes_at(home: &Path) -> Vec<i32> {
    let wanted = [b"BELAY_HOME=", home.as_os_str().as_encoded_bytes()].concat();
    processes(|environment| environment.split(|byte| *byte == 0).any(|entry| entry == wanted))
}

/// The children of a process that play a role of the program.
pub fn children_of(parent: u32, role: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for (pid, folder) in numbered_folders() {
        let (Ok(stat), Ok(line)) =
            (std::fs::read_to_string(folder.join("stat")), std::fs::read(folder.join("cmdline")))
        else {
            continue;
        };
        // The name in parentheses may hold anything; after it come the state and the parent.
        let Some(parent_of) = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)) else { continue };
        let plays = line.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes());
        if parent_of == parent.to_string() && plays {
            found.push(pid);
        }
    }
    found
}

/// The processes that act on a world.
pub fn processes_in(folder: &Path) -> Vec<i32> {
    let wanted = folder.as_os_str().as_encoded_bytes().to_vec();
    let mut found = Vec::new();
    for (pid, folder) in numbered_folders() {
        let Ok(line) = std::fs::read(folder.join("cmdline")) else { continue };
        if line.split(|byte| *byte == 0).any(|argument| argument == wanted) {
            found.push(pid);
        }
    }
    found
}

fn processes(matches: impl Fn(&[u8]) -> bool) -> Vec<i32> {
    let mut found = Vec::new();
    for (pid, folder) in numbered_folders() {
        let Ok(environment) = std::fs::read(folder.join("environ")) else { continue };
        if matches(&environment) {
            found.push(pid);
        }
    }
    found
}

fn numbered_folders() -> Vec<(i32, PathBuf)> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect()
}
