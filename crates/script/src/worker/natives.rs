//! The native functions that the bootstrap script hands out, and the state they share.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use rquickjs::{Array, Ctx, Exception, Function, Object, Persistent, Value};

use super::Port;
use super::budget::Budget;
use super::values::{ValueError, to_json};
use crate::wire::{FromWorker, Limit, LogLevel, WireJob};

/// A host call that the script made and nobody has answered.
pub(super) struct PendingCall {
    /// Its number, from zero.
    pub(super) index: u32,
    /// `kubernetes.listPods`.
    pub(super) function: String,
    /// A JSON array.
    pub(super) arguments: serde_json::Value,
    /// Settles the script's promise with a value.
    pub(super) resolve: Persistent<Function<'static>>,
    /// Settles the script's promise with a message.
    pub(super) reject: Persistent<Function<'static>>,
}

/// A rejected promise that nothing handles so far, with its reason.
struct Unhandled {
    promise: Persistent<Value<'static>>,
    reason: Persistent<Value<'static>>,
}

/// What the session and the native functions share.
pub(super) struct State {
    /// The pipe to the client.
    pub(super) port: Rc<Port>,
    /// Run time, and the limit that was run into.
    pub(super) budget: Budget,
    /// Calls in the order they were made.
    pub(super) pending: RefCell<VecDeque<PendingCall>>,
    /// What `Date.now` returns.
    pub(super) now: Cell<i64>,
    random: Cell<u64>,
    unhandled: RefCell<Vec<Unhandled>>,
    calls_made: Cell<u32>,
    call_limit: u32,
    arguments_limit: usize,
    /// Bytes that may still be logged; `None` once something was dropped.
    log_left: Cell<Option<usize>>,
}

impl State {
    /// The state of a job that has not started.
    pub(super) fn new(port: Rc<Port>, budget: Budget, job: &WireJob) -> Self {
        Self {
            port,
            budget,
            pending: RefCell::default(),
            now: Cell::new(job.start),
            random: Cell::new(job.seed),
            unhandled: RefCell::default(),
            calls_made: Cell::new(0),
            call_limit: job.limits.host_calls,
            arguments_limit: job.limits.output,
            log_left: Cell::new(Some(job.limits.log)),
        }
    }

    /// Notes that a promise was rejected without a handler, or that it got one after all.
    pub(super) fn track_rejection<'js>(&self, ctx: &Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
        let promise = Persistent::save(ctx, promise);
        let mut unhandled = self.unhandled.borrow_mut();
        if !handled {
            unhandled.push(Unhandled { promise, reason: Persistent::save(ctx, reason) });
        } else if let Some(position) = unhandled.iter().rposition(|known| known.promise == promise) {
            unhandled.remove(position);
        }
    }

    /// The reason of the first rejection that nothing handles.
    pub(super) fn unhandled_reason<'js>(&self, ctx: &Ctx<'js>) -> rquickjs::Result<Option<Value<'js>>> {
        let first = self.unhandled.borrow().first().map(|unhandled| unhandled.reason.clone());
        first.map(|reason| reason.restore(ctx)).transpose()
    }

    fn call<'js>(
        &self,
        ctx: &Ctx<'js>,
        function: String,
        arguments: &Array<'js>,
        settle: (Function<'js>, Function<'js>),
    ) -> rquickjs::Result<()> {
        let index = self.calls_made.get();
        if index >= self.call_limit {
            self.budget.exceed(Limit::HostCalls);
            return Err(Exception::throw_internal(ctx, "too many host calls"));
        }
        let arguments = match to_json(ctx, "arguments", arguments.as_value(), self.arguments_limit) {
            Ok(arguments) => arguments,
            Err(ValueError::Thrown(error)) => return Err(error),
            Err(ValueError::TooLarge) => {
                self.budget.exceed(Limit::Output);
                return Err(Exception::throw_internal(ctx, "the arguments of a host call are too large"));
            }
            Err(not_json @ ValueError::NotJson { .. }) => {
                return Err(Exception::throw_type(ctx, &format!("{function}: {not_json}")));
            }
        };
        self.calls_made.set(index + 1);
        let resolve = Persistent::save(ctx, settle.0);
        let reject = Persistent::save(ctx, settle.1);
        self.pending.borrow_mut().push_back(PendingCall { index, function, arguments, resolve, reject });
        Ok(())
    }

    fn log(&self, level: &str, text: String) {
        let level = match level {
            "debug" => LogLevel::Debug,
            "warning" => LogLevel::Warning,
            "error" => LogLevel::Error,
            _ => LogLevel::Info,
        };
        let Some(left) = self.log_left.get() else { return };
        let left = left.checked_sub(text.len());
        self.log_left.set(left);
        self.port.send(&if left.is_some() { FromWorker::Log { level, text } } else { FromWorker::LogTruncated });
    }

    /// The next number in `[0, 1)`: `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"),
    /// its upper 53 bits.
    fn random(&self) -> f64 {
        let state = self.random.get().wrapping_add(0x9E37_79B9_7F4A_7C15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let bits = (mixed ^ (mixed >> 31)) >> 11;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let number = bits as f64 / (1u64 << 53) as f64;
        number
    }
}

/// The object `native` of the bootstrap script.
pub(super) fn native_functions<'js>(ctx: &Ctx<'js>, state: &Rc<State>) -> rquickjs::Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    let shared = Rc::clone(state);
    let call = move |ctx: Ctx<'js>, function: String, arguments: Array<'js>, resolve, reject| {
        shared.call(&ctx, function, &arguments, (resolve, reject))
    };
    native.set("call", Function::new(ctx.clone(), call)?)?;
    let shared = Rc::clone(state);
    let log = move |level: String, text: String| shared.log(&level, text);
    native.set("log", Function::new(ctx.clone(), log)?)?;
    let shared = Rc::clone(state);
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since the epoch stay below 53 bits")]
    let now = move || shared.now.get() as f64;
    native.set("now", Function::new(ctx.clone(), now)?)?;
    let shared = Rc::clone(state);
    native.set("random", Function::new(ctx.clone(), move || shared.random())?)?;
    Ok(native)
}
