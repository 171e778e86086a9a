//! The worker process: one job, one `QuickJS` runtime, one pipe.

mod budget;
mod confinement;
mod natives;
mod session;
mod thrown;
mod values;

use std::io::{self, Stdin, Stdout};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use crate::wire::{Answer, FromWorker, Opening, PROTOCOL, Version, read_frame, write_frame};

/// The hidden subcommand under which the `belay` binary calls [`worker_main`].
pub const WORKER_SUBCOMMAND: &str = "__script-worker";

/// The exit status of a worker that cannot go on: a broken pipe, a broken frame, a defect.
const EXIT_BROKEN: i32 = 70;

/// Room on the script thread's stack for our own code above the script's limit.
const STACK_RESERVE: usize = 4 << 20;

/// The worker's side of the pipe, used by the script thread alone.
struct Port {
    answers: Receiver<Answer>,
    stdout: Stdout,
}

impl Port {
    /// Sends a frame; a worker that cannot be heard ends.
    fn send(&self, frame: &FromWorker) {
        if let Err(error) = write_frame(&mut self.stdout.lock(), frame) {
            broken(&format!("a frame could not be written: {error}"));
        }
    }

    /// Waits for the answer to a call.
    fn answer(&self, index: u32) -> Answer {
        match self.answers.recv() {
            Ok(answer) if answer.index == index => answer,
            Ok(answer) => broken(&format!("call {index} was answered as call {}", answer.index)),
            Err(_) => broken("the answers ended"),
        }
    }
}

/// Runs the worker: reads one job from standard input, speaks the protocol of [`crate::wire`], and ends.
///
/// The main thread does nothing but read, so it notices at once when the pipe closes, also while the script computes:
/// a worker never outlives its parent. (The kernel's parent-death signal is bound to the parent's *thread*, and async
/// runtimes end threads while they live on.)
pub fn worker_main() -> ExitCode {
    let mut stdin = io::stdin();
    let stdout = io::stdout();
    let opening = match read_opening(&mut stdin) {
        Ok(Some(opening)) => opening,
        Ok(None) => return ExitCode::SUCCESS,
        Err(problem) => {
            let refusal = FromWorker::Refused { protocol: PROTOCOL, problem };
            return match write_frame(&mut stdout.lock(), &refusal) {
                Ok(()) => ExitCode::SUCCESS,
                Err(_) => ExitCode::FAILURE,
            };
        }
    };
    // One call is outstanding at a time, so one place is enough.
    let (forward, answers) = sync_channel(1);
    let (confined, start) = sync_channel::<()>(1);
    let limits = opening.job.limits.clone();
    let stack = limits.stack.saturating_add(STACK_RESERVE);
    let script = move || {
        let port = Rc::new(Port { answers, stdout });
        if start.recv().is_err() {
            broken("the worker could not be confined");
        }
        let run = catch_unwind(AssertUnwindSafe(|| session::run(&opening.job, Rc::clone(&port))));
        match run {
            Ok(end) => {
                port.send(&FromWorker::Ended(end));
                // The runtime is never torn down: the process ends here, and with it everything.
                std::process::exit(0);
            }
            Err(_) => broken("the worker has a defect"),
        }
    };
    // The thread exists before the process is forbidden to make threads.
    if let Err(error) = thread::Builder::new().name("script".into()).stack_size(stack).spawn(script) {
        broken(&format!("the script's thread could not be started: {error}"));
    }
    if let Err(error) = confinement::confine(&limits) {
        broken(&format!("the worker could not be confined: {error}"));
    }
    if confined.send(()).is_err() {
        broken("the script's thread is gone");
    }
    forward_answers(&mut stdin, &forward)
}

fn read_opening(stdin: &mut Stdin) -> Result<Option<Opening>, String> {
    let Some(bytes) = read_frame(stdin).map_err(|error| error.to_string())? else { return Ok(None) };
    let version: Version = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    if version.protocol != PROTOCOL {
        return Err(format!("the worker speaks protocol {PROTOCOL}, not {}", version.protocol));
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| error.to_string())
}

/// Passes answers to the script thread until the pipe closes; then the process ends.
fn forward_answers(stdin: &mut Stdin, forward: &SyncSender<Answer>) -> ! {
    loop {
        match read_frame(stdin) {
            Ok(Some(bytes)) => match serde_json::from_slice(&bytes) {
                Ok(answer) => {
                    if forward.send(answer).is_err() {
                        broken("the script's thread is gone");
                    }
                }
                Err(error) => broken(&format!("an answer could not be read: {error}")),
            },
            Ok(None) => std::process::exit(0),
            Err(error) => broken(&format!("the pipe broke: {error}")),
        }
    }
}

/// Ends the process with a reason on standard error, which the client reads.
fn broken(problem: &str) -> ! {
    eprintln!("{problem}");
    std::process::exit(EXIT_BROKEN)
}
