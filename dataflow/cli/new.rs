//! `jayflow new`.

use super::{Failure, Outcome};
use crate::Error;
use crate::spec::presets::{self, PRESETS};
use crate::spec::suggest::{self, did_you_mean};
use clap::Args;
use std::io::Write as _;
use std::path::PathBuf;

/// Writes a spec to start from: every key with its default and what it does, or one over a preset.
///
/// Example: `jayflow new flows.toml --preset joyfuljay`
#[derive(Args, Debug)]
pub struct New {
    /// The file; `-` is standard output. An existing file is not touched.
    #[arg(required_unless_present = "list")]
    spec: Option<PathBuf>,
    /// A spec that extends this preset, instead of one with every key.
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Shows the presets, with their versions and what they are for.
    #[arg(long)]
    list: bool,
}

impl New {
    /// Writes the spec.
    pub(super) fn run(&self) -> Outcome {
        if self.list {
            return super::print(&list());
        }
        let text = match &self.preset {
            Some(name) => over(name)?,
            None => crate::spec::example::text(),
        };
        let Some(spec) = self.spec.as_ref().filter(|spec| spec.as_os_str() != "-") else {
            return super::print(&text);
        };
        let wrong = |error: std::io::Error| {
            Failure::Usage(if error.kind() == std::io::ErrorKind::AlreadyExists {
                Error::new(format!("{} exists and was not touched", spec.display()))
                    .help("choose another name")
            } else {
                Error::file("write", spec, error)
            })
        };
        let mut file = std::fs::File::create_new(spec).map_err(wrong)?;
        file.write_all(text.as_bytes()).map_err(wrong)?;
        Ok(0)
    }
}

/// A line for each preset: the name of its latest version and the first line of its text.
fn list() -> String {
    let width = PRESETS.iter().map(|preset| preset.name.len()).max();
    let width = width.unwrap_or(0) + 4;
    let line = |preset: &presets::Preset| {
        let version = preset.versions.last().copied().unwrap_or(1);
        let first = preset.text.lines().next().unwrap_or_default();
        let name = format!("{}@{version}", preset.name);
        format!("{name:width$}{}\n", first.trim_start_matches(['#', ' ']))
    };
    PRESETS.iter().map(line).collect()
}

/// A spec that extends a preset and has sources and sinks of its own.
fn over(name: &str) -> Result<String, Failure> {
    let Some(preset) = presets::find(name) else {
        let known = || PRESETS.iter().map(|preset| preset.name);
        let help = did_you_mean(name, known())
            .unwrap_or_else(|| format!("the presets are {}", suggest::list(known())));
        let error = Error::new(format!("there is no preset `{name}`"));
        return Err(Failure::Usage(error.help(help)));
    };
    let version = preset.versions.last().copied().unwrap_or(1);
    let mut text: String = lines(preset.text, |line| line.starts_with('#'));
    text += &format!(
        "spec = 1
extends = \"{name}@{version}\" # what stands below is laid over it, key by key; `jayflow explain` shows the whole

[sources]
path = \"capture.pcap\" # a file, a glob, a directory, or a list of such

"
    );
    // its rules of a flow, to be changed
    if let Some((_, flows)) = preset.text.split_once("\n[flows]\n") {
        text += "# [flows]\n";
        for line in lines(flows, |line| !line.is_empty()).lines() {
            text += &format!("# {line}\n");
        }
        text += "\n";
    }
    text += "[sinks]\npath = \"flows.parquet\"\n";
    Ok(text)
}

/// The first lines for which this is true.
fn lines(text: &str, is_in: impl Fn(&&str) -> bool) -> String {
    text.lines()
        .take_while(is_in)
        .flat_map(|line| [line, "\n"])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Loaded;

    #[test]
    fn every_preset_can_be_started_from() {
        assert_eq!(list().lines().count(), PRESETS.len());
        for preset in PRESETS {
            let text = over(preset.name).unwrap_or_default();
            let loaded = Loaded::text("spec.toml", text.as_str(), PathBuf::new());
            let found = loaded.and_then(|loaded| loaded.check()).err();
            assert_eq!(found, None, "{text}");
        }
        assert!(over("joyfuljoy").is_err());
    }
}
