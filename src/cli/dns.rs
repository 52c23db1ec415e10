//! `dns records|check|rotate`: what to publish for the box's domains, whether it is, and new keys for signatures.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::operation::Format;
use super::output::table;
use super::{Context, Failure, Output, Result};
use crate::config::Settings;
use crate::dns::Resolver;
use crate::mail::address::Domain;
use crate::manage::{self, checked};
use crate::store::types::Language;
use crate::trust::publish::{self, Data, Facts, Finding, Need, Record, State};
use crate::trust::signing::{Keyring, Place};

/// What is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// `dns records`
    Records(Format),
    /// `dns check`
    Check(Format),
    /// `dns rotate`
    Rotate {
        /// One domain; all without.
        domain: Option<String>,
    },
}

pub(super) fn dns(task: &Task, context: &Context, output: &mut dyn Output) -> Result<()> {
    match task {
        Task::Records(format) => records(*format, context, output),
        Task::Check(format) => {
            let resolver = Resolver::new(&context.settings.dns);
            let resolver = resolver.map_err(|error| Failure::failed(error.to_string()))?;
            check(*format, &resolver, context, output)
        }
        Task::Rotate { domain } => rotate(domain.as_deref(), context, output),
    }
}

impl From<crate::trust::signing::Error> for Failure {
    fn from(error: crate::trust::signing::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

fn records(format: Format, context: &Context, output: &mut dyn Output) -> Result<()> {
    let language = context.settings.language;
    let mut list = Vec::new();
    for facts in all_facts(context, format, output)? {
        let records = publish::records(&facts);
        match format {
            Format::Table => say_records(&facts, &records, language, output)?,
            Format::Json => list.extend(
                records
                    .iter()
                    .map(|record| record_in_json(record, &facts, language)),
            ),
        }
    }
    if format == Format::Json {
        output.line(&json!(list).to_string())?;
    }
    Ok(())
}

/// As lines of a zone file, which people can read too.
fn say_records(
    facts: &Facts,
    records: &[Record],
    language: Language,
    output: &mut dyn Output,
) -> Result<()> {
    output.line(&format!("; {}", facts.domain))?;
    let mut need = None;
    for record in records {
        if need.replace(record.need) != Some(record.need) {
            output.line("")?;
            output.line(&format!("; == {} ==", need_in_words(record.need, language)))?;
        }
        output.line(&format!("; {}", publish::note(record, language)))?;
        // Lines that cannot be pasted as they are.
        let is_known = record.data != Data::Address && record.kind != "PTR";
        let front = if is_known { "" } else { "; " };
        let (name, kind) = (&record.name, record.kind);
        let data = record.in_zone(language);
        output.line(&format!("{front}{name}. IN {kind} {data}"))?;
    }
    for host in &facts.ways.unknown {
        output.line("")?;
        output.line(&match language {
            Language::De => format!(
                "; Über {host} gesendete Mail: fragen Sie den Anbieter, was in den SPF-Eintrag gehört \
                 (include:...); a:{host} ist nur geraten."
            ),
            Language::En => format!(
                "; Mail sent through {host}: ask its provider what belongs into the SPF record (include:...); \
                 a:{host} is a guess."
            ),
        })?;
    }
    output.line("")?;
    Ok(())
}

fn record_in_json(record: &Record, facts: &Facts, language: Language) -> Value {
    json!({
        "domain": facts.domain.as_str(),
        "name": record.name,
        "type": record.kind,
        "value": record.value(language),
        "zone": record.in_zone(language),
        "need": record.need.name(),
        "note": publish::note(record, language),
    })
}

fn need_in_words(need: Need, language: Language) -> &'static str {
    match (need, language) {
        (Need::Needed, Language::De) => "nötig",
        (Need::Needed, Language::En) => "needed",
        (Need::Advised, Language::De) => "empfohlen",
        (Need::Advised, Language::En) => "advised",
        (Need::Optional, Language::De) => "wenn Sie möchten",
        (Need::Optional, Language::En) => "if you like",
    }
}

fn check(
    format: Format,
    resolver: &Resolver,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let language = context.settings.language;
    let (mut list, mut serious) = (Vec::new(), 0_usize);
    for facts in all_facts(context, format, output)? {
        let seen = publish::ask(resolver, &facts)?;
        let findings = publish::findings(&facts, &seen);
        serious += findings.iter().filter(|found| found.is_serious()).count();
        match format {
            Format::Table => say_findings(&facts, &findings, language, output)?,
            Format::Json => list.extend(
                findings
                    .iter()
                    .map(|found| finding_in_json(found, &facts, language)),
            ),
        }
        switch_keys(&facts.domain, &findings, format, context, output)?;
    }
    if format == Format::Json {
        output.line(&json!(list).to_string())?;
    }
    checked::note_dns(&context.store, serious)?;
    match (serious, language) {
        (0, _) => Ok(()),
        (_, Language::De) => Err(Failure::failed(format!(
            "{serious} nötige Einträge fehlen, sind falsch oder waren nicht zu erfragen"
        ))),
        (_, Language::En) => Err(Failure::failed(format!(
            "{serious} of the needed records are missing, wrong, or could not be asked for"
        ))),
    }
}

fn say_findings(
    facts: &Facts,
    findings: &[Finding],
    language: Language,
    output: &mut dyn Output,
) -> Result<()> {
    output.line(facts.domain.as_str())?;
    let row = |found: &Finding| {
        let state = state_in_words(found.state, language).to_owned();
        vec![
            state,
            found.record.kind.to_owned(),
            found.record.name.clone(),
        ]
    };
    table(output, &findings.iter().map(row).collect::<Vec<_>>())?;
    for found in findings {
        let advice = publish::advice(found, facts, language);
        if !advice.is_empty() {
            output.line("")?;
            output.line(&advice)?;
        }
    }
    output.line("")?;
    Ok(())
}

fn finding_in_json(found: &Finding, facts: &Facts, language: Language) -> Value {
    json!({
        "domain": facts.domain.as_str(),
        "name": found.record.name,
        "type": found.record.kind,
        "value": found.record.value(language),
        "need": found.record.need.name(),
        "state": found.state.name(),
        "advice": publish::advice(found, facts, language),
    })
}

fn state_in_words(state: State, language: Language) -> &'static str {
    match (state, language) {
        (State::Ok, _) => "ok",
        (State::Missing, Language::De) => "fehlt",
        (State::Missing, Language::En) => "missing",
        (State::Wrong, Language::De) => "falsch",
        (State::Wrong, Language::En) => "wrong",
        (State::Unknown, Language::De) => "unbekannt",
        (State::Unknown, Language::En) => "unknown",
    }
}

/// New keys sign as soon as DNS was seen to have both.
fn switch_keys(
    domain: &Domain,
    findings: &[Finding],
    format: Format,
    context: &Context,
    output: &mut dyn Output,
) -> Result<()> {
    let now = context.clock.now();
    let switched = manage::domain::follow(&keyring(context), domain, findings, now)?;
    if switched && format == Format::Table {
        output.line(match context.settings.language {
            Language::De => "Die neuen Schlüssel unterschreiben ab jetzt.",
            Language::En => "The new keys sign from now on.",
        })?;
        output.line("")?;
    }
    Ok(())
}

fn rotate(domain: Option<&str>, context: &Context, output: &mut dyn Output) -> Result<()> {
    let language = context.settings.language;
    let keyring = keyring(context);
    for one in chosen(domain, context)? {
        if !one.is_public() {
            say_home_name(&one, language, output)?;
            continue;
        }
        let now = context.clock.now();
        let is_new = keyring.rotate(&one, now)?;
        output.line(&match (is_new, language) {
            (true, Language::De) => format!("{one} hat neue Schlüssel."),
            (true, Language::En) => format!("{one} has new keys."),
            (false, Language::De) => format!("{one} hat schon neue Schlüssel."),
            (false, Language::En) => format!("{one} has new keys already."),
        })?;
        output.line(match language {
            Language::De => {
                "Legen Sie diese Einträge an, und lassen Sie die alten noch stehen. Sobald das DNS sie zeigt, \
                 unterschreiben die neuen Schlüssel; `heimpost dns check` sieht sofort nach."
            }
            Language::En => {
                "Add these records, and leave the old ones for now. As soon as DNS shows them the new keys sign; \
                 `heimpost dns check` looks at once."
            }
        })?;
        let facts = facts(&one, &keyring, context)?;
        let records = publish::records(&facts).into_iter();
        let new = records.filter(|record| record.purpose == publish::Purpose::Dkim(Place::Next));
        for record in new {
            let (name, kind) = (&record.name, record.kind);
            output.line(&format!("{name}. IN {kind} {}", record.in_zone(language)))?;
        }
    }
    Ok(())
}

fn chosen(domain: Option<&str>, context: &Context) -> Result<Vec<Domain>> {
    let domains = &context.settings.domains;
    let Some(text) = domain else {
        return Ok(domains.clone());
    };
    let parsed =
        Domain::parse(text).map_err(|e| Failure::Usage(format!("\"{text}\" is no domain: {e}")))?;
    if !domains.contains(&parsed) {
        let problem = format!("{text} is not a domain of this box");
        return Err(Failure::failed(problem));
    }
    Ok(vec![parsed])
}

fn keyring(context: &Context) -> Keyring {
    Keyring::open(&context.store, &context.settings.domains)
}

/// Of each domain that the world can know; the others are said to be none.
fn all_facts(context: &Context, format: Format, output: &mut dyn Output) -> Result<Vec<Facts>> {
    let Settings {
        domains,
        hostname,
        language,
        ..
    } = &context.settings;
    let (public, home): (Vec<&Domain>, Vec<&Domain>) =
        domains.iter().partition(|domain| domain.is_public());
    if format == Format::Table {
        for domain in home {
            say_home_name(domain, *language, output)?;
        }
    }
    if !public.is_empty() && !hostname.is_public() {
        return Err(Failure::failed(match language {
            Language::De => format!(
                "{hostname} kennt nur Ihr Heimnetz. Setzen Sie `hostname` in den Einstellungen auf einen Namen in einer \
                 Ihrer Domains, etwa mail.{}",
                public.first().map_or("", |domain| domain.as_str())
            ),
            Language::En => format!(
                "only your home network knows {hostname}. Set `hostname` in the settings to a name in one of your \
                 domains, such as mail.{}",
                public.first().map_or("", |domain| domain.as_str())
            ),
        }));
    }
    let keyring = keyring(context);
    let all = public.into_iter();
    all.map(|domain| facts(domain, &keyring, context)).collect()
}

fn say_home_name(domain: &Domain, language: Language, output: &mut dyn Output) -> Result<()> {
    output.line(&match language {
        Language::De => {
            format!("; {domain} gilt nur in Ihrem Heimnetz; dafür ist nichts zu veröffentlichen.")
        }
        Language::En => {
            format!("; {domain} is for your home network alone; there is nothing to publish.")
        }
    })?;
    Ok(())
}

fn facts(domain: &Domain, keyring: &Keyring, context: &Context) -> Result<Facts> {
    Ok(manage::domain::facts(
        domain,
        keyring,
        &context.settings,
        context.clock.now(),
    )?)
}

#[cfg(test)]
mod tests;
