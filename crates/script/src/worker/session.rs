//! One run of one script: globals, the job loop, host calls, the end.

use std::collections::BTreeMap;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::Duration;

use rquickjs::context::{EvalOptions, intrinsic};
use rquickjs::object::Property;
use rquickjs::promise::PromiseState;
use rquickjs::{Context, Ctx, Function, Object, Persistent, Promise, Runtime, Value};

use super::Port;
use super::budget::Budget;
use super::natives::{PendingCall, State, native_functions};
use super::thrown::{SCRIPT_NAME, end_of_error, end_of_thrown, failed};
use super::values::{ValueError, to_json};
use crate::wire::{AnswerResult, FRAME_LIMIT, FromWorker, Limit, WireEnd, WireJob};

/// Everything a script may use. Left out: `performance` (a clock), `WeakRef` and finalizers (they show when memory is
/// collected, which no replay repeats).
type Intrinsics = (
    intrinsic::Date,
    intrinsic::Eval,
    intrinsic::RegExpCompiler,
    intrinsic::RegExp,
    intrinsic::Json,
    intrinsic::Proxy,
    intrinsic::MapSet,
    intrinsic::TypedArrays,
    intrinsic::Promise,
);

/// Runs a job to its end.
pub(super) fn run(job: &WireJob, port: Rc<Port>) -> WireEnd {
    let limits = job.limits.clone();
    let budget = Budget::started(Duration::from_millis(limits.run_time_ms));
    let state = Rc::new(State::new(port, budget, job));
    let Ok(runtime) = Runtime::new() else { return WireEnd::LimitExceeded(Limit::Memory) };
    runtime.set_memory_limit(limits.memory);
    runtime.set_max_stack_size(limits.stack);
    let watched = Rc::clone(&state);
    runtime.set_interrupt_handler(Some(Box::new(move || watched.budget.check().is_some())));
    let tracked = Rc::clone(&state);
    runtime.set_host_promise_rejection_tracker(Some(Box::new(move |ctx, promise, reason, handled| {
        tracked.track_rejection(&ctx, promise, reason, handled);
    })));
    let Ok(context) = Context::custom::<Intrinsics>(&runtime) else { return WireEnd::LimitExceeded(Limit::Memory) };
    // Never torn down: the process ends right after, and tearing down aborts while native functions are referenced.
    let session = ManuallyDrop::new(Session { state, runtime, context, output_limit: limits.output });
    session.run(job).unwrap_or_else(|end| end)
}

struct Session {
    state: Rc<State>,
    runtime: Runtime,
    context: Context,
    output_limit: usize,
}

/// The script's promise and its context, between turns.
struct Body {
    promise: Persistent<Promise<'static>>,
    context: Persistent<Object<'static>>,
    /// Members of `context` that others have set, as the script sees them.
    before: BTreeMap<String, serde_json::Value>,
    /// Bytes of them; what the script adds counts as output.
    context_size: usize,
}

impl Session {
    fn run(&self, job: &WireJob) -> Result<WireEnd, WireEnd> {
        let mut body = self.context.with(|ctx| self.start(&ctx, job))?;
        loop {
            self.run_jobs()?;
            if let Some(end) = self.context.with(|ctx| self.end_of_turn(&ctx, &body))? {
                return Ok(end);
            }
            let call = self.state.pending.borrow_mut().pop_front();
            let Some(call) = call else {
                return Ok(failed("the script waits for a promise that nothing settles"));
            };
            self.perform(call, &mut body)?;
        }
    }

    /// Installs the globals and calls the script's function.
    fn start(&self, ctx: &Ctx<'_>, job: &WireJob) -> Result<Body, WireEnd> {
        let context = self.install(ctx, job).map_err(|error| self.error(ctx, error))?;
        let before = self.members(ctx, &context, FRAME_LIMIT)?;
        let promise = self.evaluate(ctx, &job.script).map_err(|error| self.error(ctx, error))?;
        Ok(Body {
            promise: Persistent::save(ctx, promise),
            context: Persistent::save(ctx, context),
            before,
            context_size: job.context.get().len(),
        })
    }

    fn install<'js>(&self, ctx: &Ctx<'js>, job: &WireJob) -> rquickjs::Result<Object<'js>> {
        let context: Object = ctx.json_parse(job.context.get())?.get()?;
        let variables = ctx.json_parse(job.variables.get())?;
        let options = options("bootstrap");
        let bootstrap: Function = ctx.eval_with_options(include_str!("bootstrap.js"), options)?;
        let native = native_functions(ctx, &self.state)?;
        let () = bootstrap.call((native, variables, context.clone(), job.host_objects.clone()))?;
        Ok(context)
    }

    /// Evaluates the script as the body of an async function.
    ///
    /// Text that closes the function early (`}); … (async () => {`) would run as something else than a body. It cannot
    /// fit two kinds of bracket at once, so the text is first compiled inside the other kind.
    fn evaluate<'js>(&self, ctx: &Ctx<'js>, script: &str) -> rquickjs::Result<Promise<'js>> {
        let bracketed = format!("[async function () {{\"use strict\";\n{script}\n}}]");
        let _: Value = ctx.eval_with_options(bracketed, options(SCRIPT_NAME))?;
        let wrapped = format!("(async function () {{\"use strict\";\n{script}\n}})");
        let body: Function = ctx.eval_with_options(wrapped, options(SCRIPT_NAME))?;
        self.state.pending.borrow_mut().clear();
        body.call(())
    }

    /// Runs promise jobs until none is left, looking at the limits between them: an endless chain of tiny jobs never
    /// reaches the engine's own interrupt check.
    fn run_jobs(&self) -> Result<(), WireEnd> {
        loop {
            if let Some(limit) = self.state.budget.check() {
                return Err(WireEnd::LimitExceeded(limit));
            }
            let ran = match self.runtime.execute_pending_job() {
                Ok(ran) => ran,
                Err(exception) => {
                    // A job that was interrupted; the reason is in the budget.
                    exception.0.with(|ctx| drop(ctx.catch()));
                    true
                }
            };

            if !ran {
                return Ok(());
            }
        }
    }

    /// The end, where the script has one now: it threw, or it returned and no call that it made is left.
    fn end_of_turn(&self, ctx: &Ctx<'_>, body: &Body) -> Result<Option<WireEnd>, WireEnd> {
        let promise = body.promise.clone().restore(ctx).map_err(|error| self.error(ctx, error))?;
        match promise.state() {
            PromiseState::Pending => Ok(None),
            PromiseState::Rejected => {
                let Some(Err(error)) = promise.result::<Value>() else {
                    return Ok(Some(failed("the script failed without a reason")));
                };
                Ok(Some(self.error(ctx, error)))
            }
            // A call without `await` was made all the same.
            PromiseState::Resolved if !self.state.pending.borrow().is_empty() => Ok(None),
            PromiseState::Resolved => {
                let unhandled = self.state.unhandled_reason(ctx).map_err(|error| self.error(ctx, error))?;
                if let Some(reason) = unhandled {
                    return Ok(Some(end_of_thrown(ctx, &self.state.budget, reason)));
                }
                let value = match promise.result::<Value>() {
                    Some(Ok(value)) => value,
                    Some(Err(error)) => return Ok(Some(self.error(ctx, error))),
                    None => return Ok(None),
                };
                self.returned(ctx, &value, body).map(Some)
            }
        }
    }

    fn returned<'js>(&self, ctx: &Ctx<'js>, value: &Value<'js>, body: &Body) -> Result<WireEnd, WireEnd> {
        let value = to_json(ctx, "the returned value", value, self.output_limit)
            .map_err(|error| self.value_error(ctx, error))?;
        let context = body.context.clone().restore(ctx).map_err(|error| self.error(ctx, error))?;
        let after = self.members(ctx, &context, body.context_size.saturating_add(self.output_limit))?;
        let deleted = body.before.keys().filter(|name| !after.contains_key(*name));
        let mut published: BTreeMap<_, _> = deleted.map(|name| (name.clone(), serde_json::Value::Null)).collect();
        published.extend(after.into_iter().filter(|(name, value)| body.before.get(name) != Some(value)));
        let end = WireEnd::Returned { value, published };
        let size = serde_json::to_vec(&end).map_or(usize::MAX, |bytes| bytes.len());
        // The frame's own words do not count.
        if size > self.output_limit.saturating_add(64) {
            return Err(WireEnd::LimitExceeded(Limit::Output));
        }
        self.state.budget.check().map_or(Ok(end), |limit| Err(WireEnd::LimitExceeded(limit)))
    }

    /// The members of the context as JSON.
    fn members<'js>(
        &self,
        ctx: &Ctx<'js>,
        context: &Object<'js>,
        limit: usize,
    ) -> Result<BTreeMap<String, serde_json::Value>, WireEnd> {
        match to_json(ctx, "context", context.as_value(), limit) {
            Ok(serde_json::Value::Object(members)) => Ok(members.into_iter().collect()),
            Ok(_) => Err(failed("context is no longer an object")),
            Err(error) => Err(self.value_error(ctx, error)),
        }
    }

    /// Asks for one host call and hands its answer to the script.
    fn perform(&self, call: PendingCall, body: &mut Body) -> Result<(), WireEnd> {
        let PendingCall { index, function, arguments, resolve, reject } = call;
        self.state.budget.pause();
        self.state.port.send(&FromWorker::Call { index, function, arguments });
        let answer = self.state.port.answer(index);
        self.state.budget.resume();
        self.state.now.set(answer.at);
        self.context.with(|ctx| {
            self.publish(&ctx, answer.published, body)?;
            let settled = match answer.result {
                AnswerResult::Value(json) => {
                    ctx.json_parse(json.get()).and_then(|value| resolve.restore(&ctx)?.call::<_, ()>((value,)))
                }
                AnswerResult::Error(message) => {
                    reject.restore(&ctx).and_then(|reject| reject.call::<_, ()>((message,)))
                }
            };
            settled.map_err(|error| self.error(&ctx, error))
        })
    }

    /// Sets members of the context that a call has published, before the script goes on.
    fn publish(
        &self,
        ctx: &Ctx<'_>,
        published: BTreeMap<String, serde_json::Value>,
        body: &mut Body,
    ) -> Result<(), WireEnd> {
        let context = body.context.clone().restore(ctx).map_err(|error| self.error(ctx, error))?;
        for (name, value) in published {
            let json = value.to_string();
            let size = name.len() + json.len();
            let value: Value = ctx.json_parse(json).map_err(|error| self.error(ctx, error))?;
            let seen = to_json(ctx, "context", &value, FRAME_LIMIT).map_err(|error| self.value_error(ctx, error))?;
            let member = Property::from(value).writable().enumerable().configurable();
            if context.prop(name.as_str(), member).is_ok() {
                let length = name.len();
                let replaced = body.before.insert(name, seen).map_or(0, |was| length + was.to_string().len());
                body.context_size = body.context_size.saturating_add(size).saturating_sub(replaced);
            } else {
                // The script has frozen it, and gets what it asked for.
                drop(ctx.catch());
            }
        }
        Ok(())
    }

    fn error(&self, ctx: &Ctx<'_>, error: rquickjs::Error) -> WireEnd {
        end_of_error(ctx, &self.state.budget, error)
    }

    fn value_error(&self, ctx: &Ctx<'_>, error: ValueError) -> WireEnd {
        match error {
            ValueError::Thrown(error) => self.error(ctx, error),
            ValueError::TooLarge => WireEnd::LimitExceeded(Limit::Output),
            not_json @ ValueError::NotJson { .. } => failed(&not_json.to_string()),
        }
    }
}

fn options(filename: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(filename.into());
    options
}
