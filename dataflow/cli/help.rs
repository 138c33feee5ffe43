//! `jayflow help`.

use super::{Failure, Outcome, print};
use crate::Error;
use crate::spec::codes::{self, CODES};
use crate::spec::suggest::did_you_mean;
use clap::Args;
use std::fmt::Write as _;

/// Explains a code such as E0201, or a command.
///
/// Example: `jayflow help E0212`
#[derive(Args, Debug)]
pub struct Help {
    /// A code, or a command; without it, the commands.
    topic: Option<String>,
}

impl Help {
    /// Prints the explanation.
    pub(super) fn run(&self) -> Outcome {
        let mut command = super::command();
        let Some(topic) = &self.topic else {
            return print(&command.render_help().to_string());
        };
        if let Some(code) = codes::find(topic) {
            return print(&format!(
                "{}: {}\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}",
                code.code,
                code.title,
                wrapped(code.text),
                indented(code.wrong),
                indented(code.right)
            ));
        }
        command.build();
        if let Some(command) = command.find_subcommand_mut(topic) {
            return print(&command.render_long_help().to_string());
        }
        let topics: Vec<&str> = CODES
            .iter()
            .map(|code| code.code)
            .chain(command.get_subcommands().map(clap::Command::get_name))
            .collect();
        let help = did_you_mean(topic, topics).unwrap_or_else(|| {
            let codes: Vec<&str> = CODES.iter().map(|code| code.code).collect();
            format!("the codes are {}", codes.join(" "))
        });
        Err(Failure::Usage(
            Error::new(format!("there is no help about `{topic}`")).help(help),
        ))
    }
}

/// The help of every command, as Markdown.
pub fn manual() -> String {
    let mut whole = super::command().term_width(100);
    whole.build();
    let mut out = String::new();
    for command in whole.get_subcommands_mut() {
        let gap = if out.is_empty() { "" } else { "\n" };
        let help = command.render_long_help().to_string();
        let name = command.get_name();
        let _ = write!(out, "{gap}## jayflow {name}\n\n```text\n");
        for line in help.lines() {
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out.push_str("```\n");
    }
    out
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| {
            if line.is_empty() {
                "\n".to_owned()
            } else {
                format!("    {line}\n")
            }
        })
        .collect()
}

/// Words in lines of at most 100 characters.
pub(super) fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if width > 0 && width + 1 + length > 100 {
            out.push('\n');
            width = 0;
        } else if width > 0 {
            out.push(' ');
            width += 1;
        }
        out.push_str(word);
        width += length;
    }
    out
}
