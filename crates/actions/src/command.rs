//! `command.run`: a program with arguments, or a constant script, as a process.

pub(crate) mod report;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use belay_runbook::act::{Act, ActTarget, Basis, Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, COMMAND_ACTION, Impact, Sink};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::action::{Action, ActionError, Surroundings};
use crate::declaration::{Declaration, integer, list, text};
use crate::process::{self, Command, Helpers};

/// The shell that runs scripts.
const SHELL: &str = "/bin/sh";

/// The longest script: the kernel takes no longer argument.
const LONGEST_SCRIPT: usize = 120 * 1024;

/// Runs commands through the helpers.
#[derive(Debug)]
pub struct CommandRun {
    spec: ActionSpec,
    helpers: Arc<Helpers>,
}

impl CommandRun {
    /// Runs commands through these helpers.
    pub fn new(helpers: Arc<Helpers>) -> Self {
        let mut spec = Declaration::new(COMMAND_ACTION, "Run a program, or a constant shell script")
            .optional("argv", Sink::Argument, list(&text("an argument"), "the program and its arguments"))
            .optional("script", Sink::Shell, text("a constant script, run by /bin/sh; values come from `env`"))
            .optional(
                "env",
                Sink::Text,
                json!({
                    "type": "object",
                    "description": "variables; a secret by name is {\"$secret\": NAME}",
                    "additionalProperties": { "type": ["string", "number", "boolean", "object"] },
                }),
            )
            .optional("dir", Sink::Argument, text("the working directory"))
            .output("stdout", text("standard output, at most 64 KiB"))
            .output("stderr", text("standard error, at most 64 KiB"))
            .output("exitCode", integer(0, "the exit status"))
            .output("json", json!({ "description": "standard output as JSON, where it is an object or a list" }))
            .fact("programExists")
            .mutates(false)
            .access("the right to run the program on this machine")
            .build();
        spec.parameters["oneOf"] = json!([{ "required": ["argv"] }, { "required": ["script"] }]);
        Self { spec, helpers }
    }
}

#[async_trait]
impl Action for CommandRun {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        let line = match Parameters::read(parameters) {
            Ok(Parameters { what: What::Argv(argv), .. }) => {
                argv.iter().map(|argument| shown(argument)).collect::<Vec<_>>().join(" ")
            }
            Ok(Parameters { what: What::Script(script), .. }) => {
                let mut lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
                match (lines.next(), lines.next()) {
                    (Some(line), None) => line.to_owned(),
                    (Some(line), Some(_)) => format!("{line} …"),
                    (None, _) => "an empty script".to_owned(),
                }
            }
            Err(_) => "a command".to_owned(),
        };
        format!("run {}", report::shortened(&line, 200).replace('\n', " "))
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let parameters = Parameters::read(&act.parameters)?;
        let program = parameters.program();
        let path = parameters.environment.get("PATH").and_then(|path| match path {
            Variable::Plain(path) => Some(std::ffi::OsString::from(path)),
            Variable::Secret(_) => None,
        });
        let path = path.or_else(|| std::env::var_os("PATH"));
        let found = process::find_program(program, path.as_deref(), parameters.directory.as_deref());
        let mut notes = Vec::new();
        if found.is_none() {
            notes.push(report::not_found(program));
        }
        // Nobody is asked to approve what cannot start.
        for (variable, secret) in parameters.secrets() {
            surroundings.expect_secret(&format!("env.{variable}"), secret).await?;
        }
        let target = surroundings.context.get("name").and_then(Value::as_str).unwrap_or("local");
        Ok(Preparation {
            target: ActTarget { name: target.to_owned(), fingerprint: None },
            effect: self.spec.effect,
            impact: Impact::Low,
            reasons: vec!["a command may change anything".to_owned()],
            facts: BTreeMap::from([("programExists".to_owned(), Value::Bool(found.is_some()))]),
            // Nothing is read that a command's decision could rest on, so there is nothing that is not known.
            basis: Basis { known: true, ..Basis::default() },
            undo: None,
            candidates: BTreeMap::new(),
            notes,
        })
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let command = match command(act, surroundings).await {
            Ok(command) => command,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        self.helpers.run(command, &surroundings.cancel, Arc::clone(&surroundings.output)).await
    }
}

async fn command(act: &Act, surroundings: &Surroundings) -> Result<Command, ActionError> {
    let parameters = Parameters::read(&act.parameters)?;
    let mut secrets = Vec::new();
    let mut environment = BTreeMap::new();
    for (name, variable) in parameters.environment {
        let value = match variable {
            Variable::Plain(value) => value,
            Variable::Secret(secret) => {
                let value = surroundings.secret(&format!("env.{name}"), &secret).await?;
                if value.expose_secret().contains('\0') {
                    return Err(wrong(&format!("env.{name}"), "a variable cannot hold a zero byte".to_owned()));
                }
                secrets.push(value.clone());
                value.expose_secret().to_owned()
            }
        };
        environment.insert(name, value);
    }
    let argv = match parameters.what {
        What::Argv(argv) => argv,
        What::Script(script) => vec![SHELL.to_owned(), "-c".to_owned(), script],
    };
    Ok(Command {
        invocation: surroundings.invocation.clone(),
        argv,
        directory: parameters.directory,
        environment,
        secrets,
        timeout: surroundings.timeout,
        survives: surroundings.survives,
    })
}

/// The parameters, read and checked.
struct Parameters {
    what: What,
    environment: BTreeMap<String, Variable>,
    directory: Option<PathBuf>,
}

enum What {
    Argv(Vec<String>),
    Script(String),
}

enum Variable {
    Plain(String),
    /// A secret by its name.
    Secret(String),
}

impl Parameters {
    fn read(parameters: &Value) -> Result<Self, ActionError> {
        let Value::Object(fields) = parameters else {
            return Err(wrong("argv", "the parameters are no object".to_owned()));
        };
        if let Some(unknown) = fields.keys().find(|name| !["argv", "script", "env", "dir"].contains(&name.as_str())) {
            return Err(wrong(unknown, "there is no such parameter".to_owned()));
        }
        let what = match (fields.get("argv"), fields.get("script")) {
            (Some(argv), None) => What::Argv(read_argv(argv)?),
            (None, Some(script)) => What::Script(read_script(script)?),
            (Some(_), Some(_)) => {
                return Err(wrong("script", "either `argv` or `script` is given, not both".to_owned()));
            }
            (None, None) => return Err(wrong("argv", "either `argv` or `script` has to be given".to_owned())),
        };
        let environment = match fields.get("env") {
            None | Some(Value::Null) => BTreeMap::new(),
            Some(Value::Object(variables)) => variables
                .iter()
                .map(|(name, value)| Ok((variable_name(name)?, read_variable(name, value)?)))
                .collect::<Result<_, ActionError>>()?,
            Some(_) => return Err(wrong("env", "it is no object".to_owned())),
        };
        let directory = match fields.get("dir") {
            None | Some(Value::Null) => None,
            Some(Value::String(directory)) if !directory.is_empty() && !directory.contains('\0') => {
                Some(PathBuf::from(directory))
            }
            Some(_) => return Err(wrong("dir", "it is no path".to_owned())),
        };
        Ok(Self { what, environment, directory })
    }

    fn program(&self) -> &str {
        match &self.what {
            What::Argv(argv) => argv.first().map_or("", String::as_str),
            What::Script(_) => SHELL,
        }
    }

    /// Variables that hold a secret, with its name.
    fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().filter_map(|(variable, value)| match value {
            Variable::Secret(name) => Some((variable.as_str(), name.as_str())),
            Variable::Plain(_) => None,
        })
    }
}

/// The program and its arguments, from a parameter.
pub(crate) fn read_argv(value: &Value) -> Result<Vec<String>, ActionError> {
    let Value::Array(items) = value else { return Err(wrong("argv", "it is no list".to_owned())) };
    let argv = items
        .iter()
        .map(|item| match item {
            Value::String(argument) if argument.contains('\0') => Err("an argument cannot hold a zero byte"),
            Value::String(argument) => Ok(argument.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            // Arguments of every process can be read by every user of a machine.
            Value::Object(_) => Err("a secret may not be an argument; give it in `env`"),
            Value::Null | Value::Array(_) => Err("an argument is a text"),
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|problem| wrong("argv", problem.to_owned()))?;
    match argv.first() {
        Some(program) if !program.is_empty() => Ok(argv),
        Some(_) | None => Err(wrong("argv", "it names no program".to_owned())),
    }
}

fn read_script(value: &Value) -> Result<String, ActionError> {
    match value {
        Value::String(script) if script.contains('\0') => {
            Err(wrong("script", "a script cannot hold a zero byte".to_owned()))
        }
        Value::String(script) if script.len() > LONGEST_SCRIPT => {
            Err(wrong("script", format!("it is longer than {LONGEST_SCRIPT} bytes")))
        }
        Value::String(script) => Ok(script.clone()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(wrong("script", "it is no text".to_owned()))
        }
    }
}

fn variable_name(name: &str) -> Result<String, ActionError> {
    let mut characters = name.chars();
    let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
    if starts && characters.all(|character| character.is_ascii_alphanumeric() || character == '_') {
        Ok(name.to_owned())
    } else {
        Err(wrong(&format!("env.{name}"), "a variable's name holds letters, digits and `_`".to_owned()))
    }
}

fn read_variable(name: &str, value: &Value) -> Result<Variable, ActionError> {
    let problem = match value {
        Value::String(text) if text.contains('\0') => "a variable cannot hold a zero byte",
        Value::String(text) => return Ok(Variable::Plain(text.clone())),
        Value::Number(number) => return Ok(Variable::Plain(number.to_string())),
        Value::Bool(flag) => return Ok(Variable::Plain(flag.to_string())),
        Value::Object(fields) if fields.len() == 1 => match fields.get("$secret") {
            Some(Value::String(secret)) => return Ok(Variable::Secret(secret.clone())),
            Some(_) | None => "an object here has to be {\"$secret\": NAME}",
        },
        Value::Null | Value::Array(_) | Value::Object(_) => "it is neither a text nor {\"$secret\": NAME}",
    };
    Err(wrong(&format!("env.{name}"), problem.to_owned()))
}

fn wrong(parameter: &str, problem: String) -> ActionError {
    ActionError::Parameter { parameter: parameter.to_owned(), problem }
}

/// An argument as people would type it.
pub(crate) fn shown(argument: &str) -> String {
    let plain = |character: char| character.is_alphanumeric() || "_-./:=,@%+".contains(character);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', "'\\''"))
    }
}
