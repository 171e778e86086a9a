//! `notification.send`: tells people, on the terminal always and through a webhook where one is configured.
//!
//! Its effect is `read`: it changes nothing that a runbook acts upon. It is not idempotent, because people notice.

use std::time::Duration;

use async_trait::async_trait;
use belay_runbook::act::{Act, Ending, Outcome, Preparation};
use belay_runbook::action::{ActionSpec, Sink};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::action::{Action, ActionError, Surroundings};
use crate::declaration::{Declaration, list, text, word};
use crate::http::client;
use crate::preparation;
use crate::redact::Redaction;

/// How long a webhook has for its answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends notifications.
#[derive(Debug)]
pub struct NotificationSend {
    spec: ActionSpec,
}

impl Default for NotificationSend {
    fn default() -> Self {
        let spec = Declaration::new("notification.send", "Tell people something")
            .required("message", Sink::Text, text("the message"))
            .optional("channel", Sink::Text, text("whom it is for, such as security-incidents"))
            .optional("priority", Sink::Text, word(&["low", "normal", "high", "critical"], "normal where absent"))
            .optional("title", Sink::Text, text("a headline"))
            .optional("webhook", Sink::Name, text("a webhook of the context; the channel's own where absent"))
            .output("delivered", list(&text("`terminal` or `webhook:NAME`"), "where it arrived"))
            .target("channel")
            .access("a connection to the webhook")
            .not_idempotent()
            .build();
        Self { spec }
    }
}

/// What is sent.
struct Notification<'a> {
    message: &'a str,
    channel: Option<&'a str>,
    priority: &'a str,
    title: Option<&'a str>,
    webhook: Option<&'a str>,
}

/// A webhook and the address that must not be shown, since whoever has it can post.
struct Webhook {
    name: String,
    url: String,
}

#[async_trait]
impl Action for NotificationSend {
    fn spec(&self) -> &ActionSpec {
        &self.spec
    }

    fn describe(&self, parameters: &Value) -> String {
        match parameters.get("channel").and_then(Value::as_str) {
            Some(channel) => format!("notify {channel}"),
            None => "notify".to_owned(),
        }
    }

    async fn prepare(&self, act: &Act, surroundings: &Surroundings) -> Result<Preparation, ActionError> {
        let notification = Notification::read(&act.parameters)?;
        let mut prepared = preparation::reading(notification.channel.unwrap_or("terminal"));
        match notification.configured(surroundings)? {
            Some((name, target)) => {
                if let Target::Secret(secret) = target {
                    surroundings.expect_secret("webhook", &secret).await?;
                }
                prepared.notes.push(format!("posted to webhook `{name}`"));
            }
            None => prepared.notes.push("shown on the terminal only; no webhook is configured for it".to_owned()),
        }
        Ok(prepared)
    }

    async fn run(&self, act: &Act, _preparation: &Preparation, surroundings: &Surroundings) -> Outcome {
        let found = async {
            let notification = Notification::read(&act.parameters)?;
            let webhook = notification.find_webhook(surroundings).await?;
            Ok::<_, ActionError>((notification, webhook))
        };
        let (notification, webhook) = match found.await {
            Ok(found) => found,
            Err(error) => return Outcome { error: Some(error.to_string()), ..Outcome::bare(Ending::NotStarted) },
        };
        (surroundings.notices)(notification.shown());
        let mut delivered = vec!["terminal".to_owned()];
        let mut ending = Ending::Succeeded;
        let mut error = None;
        if let Some(webhook) = webhook {
            match notification.post(&webhook, surroundings).await {
                Ok(()) => delivered.push(format!("webhook:{}", webhook.name)),
                Err(failure) => {
                    ending = failure.ending;
                    error = Some(format!("webhook `{}`: {}", webhook.name, failure.problem));
                }
            }
        }
        Outcome { error, output: json!({ "delivered": delivered }), ..Outcome::bare(ending) }
    }
}

/// Where a webhook's URL comes from.
enum Target {
    Url(String),
    /// A secret by its name.
    Secret(String),
}

struct PostFailure {
    ending: Ending,
    problem: String,
}

impl<'a> Notification<'a> {
    fn read(parameters: &'a Value) -> Result<Self, ActionError> {
        let field = |name: &str| match parameters.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(wrong(name, "it is no text".to_owned())),
        };
        let message = field("message")?.filter(|message| !message.trim().is_empty());
        let priority = field("priority")?.unwrap_or("normal");
        if !["low", "normal", "high", "critical"].contains(&priority) {
            return Err(wrong("priority", "it is none of low, normal, high, critical".to_owned()));
        }
        Ok(Self {
            message: message.ok_or_else(|| wrong("message", "there is none".to_owned()))?,
            channel: field("channel")?,
            priority,
            title: field("title")?,
            webhook: field("webhook")?,
        })
    }

    /// The webhook that was named, else the channel's own, else none; its secret is read.
    async fn find_webhook(&self, surroundings: &Surroundings) -> Result<Option<Webhook>, ActionError> {
        let Some((name, target)) = self.configured(surroundings)? else { return Ok(None) };
        let url = match target {
            Target::Url(url) => url,
            Target::Secret(secret) => surroundings.secret("webhook", &secret).await?.expose_secret().to_owned(),
        };
        Ok(Some(Webhook { name: name.to_owned(), url }))
    }

    /// The same as it is configured. `notifications` and `webhooks` of the context's `config` map names to a URL, to
    /// `{url: …}`, or to a secret by name.
    fn configured(&self, surroundings: &Surroundings) -> Result<Option<(&'a str, Target)>, ActionError> {
        let Some(name) = self.webhook.or(self.channel) else { return Ok(None) };
        let configured = ["notifications", "webhooks"]
            .iter()
            .find_map(|section| surroundings.context.get("config")?.get(section)?.get(name))
            .map(|entry| entry.get("url").unwrap_or(entry));
        let target = match configured {
            None if self.webhook.is_some() => {
                return Err(wrong(
                    "webhook",
                    format!("the context has no webhook `{name}`; hint: add it to `config.webhooks` of the context"),
                ));
            }
            None => return Ok(None),
            Some(Value::String(url)) => Target::Url(url.clone()),
            Some(entry) => {
                let secret = entry.get("$secret").and_then(Value::as_str);
                let secret =
                    secret.ok_or_else(|| wrong("webhook", format!("webhook `{name}` of the context is no URL")))?;
                Target::Secret(secret.to_owned())
            }
        };
        Ok(Some((name, target)))
    }

    /// The text for the terminal: redacted, and without control characters, which could drive it.
    fn shown(&self) -> String {
        let mut text = format!("[{}]", self.priority);
        for part in [self.channel, self.title].into_iter().flatten() {
            text.push(' ');
            text.push_str(part);
            text.push(':');
        }
        text.push(' ');
        text.push_str(self.message.trim_end());
        let text = Redaction::tokens().text(&text);
        text.chars().filter(|character| !character.is_control() || matches!(character, '\n' | '\t')).collect()
    }

    async fn post(&self, webhook: &Webhook, surroundings: &Surroundings) -> Result<(), PostFailure> {
        let failed = |problem: String| PostFailure { ending: Ending::Failed, problem };
        let redaction = Redaction::of_secrets([webhook.url.as_str()]);
        let url = client::url(&webhook.url).map_err(|error| failed(redaction.text(&error.to_string())))?;
        let client = client::client(&url).map_err(|error| failed(error.to_string()))?;
        let tokens = Redaction::tokens();
        let body = tokens.value(&json!({
            "channel": self.channel,
            "title": self.title,
            "priority": self.priority,
            "message": self.message,
            // What chat webhooks show.
            "text": match self.title {
                Some(title) => format!("{title}\n{}", self.message),
                None => self.message.to_owned(),
            },
            "at": surroundings.now.to_string(),
        }));
        let patience = surroundings.timeout.map_or(PATIENCE, |limit| limit.min(PATIENCE));
        let sending = client.post(url).json(&body).timeout(patience).send();
        let answer = tokio::select! {
            answer = sending => answer,
            () = surroundings.cancel.cancelled() => {
                return Err(PostFailure { ending: Ending::Cancelled, problem: "it was cancelled".to_owned() });
            }
        };
        match answer {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(failed(format!("it answered with status {}", response.status().as_u16()))),
            // Without a connection nothing was sent; afterwards nobody knows whether it was taken.
            Err(error) => {
                let ending = if error.is_connect() || error.is_builder() { Ending::Failed } else { Ending::Lost };
                Err(PostFailure { ending, problem: redaction.text(&client::problem(error)) })
            }
        }
    }
}

fn wrong(parameter: &str, problem: String) -> ActionError {
    ActionError::Parameter { parameter: parameter.to_owned(), problem }
}
