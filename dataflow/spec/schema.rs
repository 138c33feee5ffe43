//! The JSON Schema (draft 2020-12) of specs, made of the table of keys, for editors.

use super::sections::{SECTIONS, Section, TOP, TopKey, section_keys, sink_keys};
use operators::options::Key;
use operators::sinks::SinkOptions;
use serde_json::{Map, Value, json};

/// The schema.
pub fn schema() -> Value {
    let mut properties = Map::new();
    for TopKey { name, doc } in TOP {
        let mut value = match name {
            "spec" => json!({"const": 1}),
            "include" => kind("text or a list of such", &[]),
            _ => json!({"type": "string"}),
        };
        value["description"] = json!(doc);
        properties.insert(name.to_owned(), value);
    }
    let mut definitions = Map::new();
    for section in &SECTIONS {
        let node = if section.name == "sinks" {
            let types: Vec<Value> = SinkOptions::KINDS
                .iter()
                .map(|name| table(&sink_keys(Some(name)), section))
                .collect();
            json!({"anyOf": types})
        } else {
            table(&section_keys(section), section)
        };
        definitions.insert(section.name.to_owned(), node);
        let reference = json!({"$ref": format!("#/$defs/{}", section.name)});
        let named = json!({
            "type": "object",
            "propertyNames": {"pattern": "^[a-z][a-z0-9_]{0,62}$"},
            "additionalProperties": reference,
            "minProperties": 1,
        });
        let value = match section.single {
            None if section.named => named,
            None => reference,
            Some(_) => json!({
                "description": section.doc,
                "anyOf": [reference, named],
            }),
        };
        properties.insert(section.name.to_owned(), value);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A spec of jayflow",
        "type": "object",
        "required": ["spec"],
        "properties": properties,
        "additionalProperties": false,
        "$defs": definitions,
    })
}

fn table(keys: &[Key], section: &Section) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), property(key)))
        .collect();
    let required: Vec<&str> = keys
        .iter()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    json!({
        "type": "object",
        "description": section.doc,
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

fn property(key: &Key) -> Value {
    let mut value = kind(&key.kind, &key.choices);
    // A variable stands for a value of any kind.
    let is_any = ["{}", r#"{"type":"string"}"#].contains(&value.to_string().as_str());
    if !is_any {
        value = json!({"anyOf": [value, {"type": "string", "pattern": VARIABLE}]});
    }
    if let Value::Object(map) = &mut value {
        map.insert("description".to_owned(), json!(key.doc));
        if let Some(default) = key.default {
            map.insert("default".to_owned(), default_value(default));
        }
    }
    value
}

fn default_value(text: &str) -> Value {
    serde_json::from_str(text)
        .ok()
        .filter(|value: &Value| value.is_boolean() || value.is_number() || value.is_array())
        .unwrap_or_else(|| json!(text))
}

/// What stands for a value that is not text.
const VARIABLE: &str = r"\$\{[a-z][a-z0-9_]{0,62}\}";

/// The type of a key from the words that messages use for it.
fn kind(words: &str, choices: &[&str]) -> Value {
    if let Some(one) = words.strip_suffix(" or a list of such") {
        let one = kind(one, choices);
        return json!({"anyOf": [one, {"type": "array", "items": one}]});
    }
    match words {
        "text" if !choices.is_empty() => json!({"enum": choices}),
        "text" => json!({"type": "string"}),
        "a boolean" => json!({"type": "boolean"}),
        "a boolean, number or text" => json!({"type": ["boolean", "number", "string"]}),
        _ if words.starts_with("a secret such as") => {
            json!({"type": "string", "pattern": r"\$\{(secret|env):[A-Za-z0-9_.-]+\}"})
        }
        "an integer" => json!({"type": "integer"}),
        "a number" => json!({"type": "number"}),
        _ if words.starts_with("`\"all\"`") => {
            json!({"anyOf": [{"const": "all"}, {"type": "object"}]})
        }
        "a share from 0 to 1" => json!({"type": "number", "minimum": 0, "maximum": 1}),
        "a whole number, 0 or more" => json!({"type": "integer", "minimum": 0}),
        _ if words.starts_with("a whole number, or a comparison") => {
            json!({"type": ["integer", "string"]})
        }
        _ if words.starts_with("text, or a table {") => {
            json!({"anyOf": [kind("text", choices), {"type": "object"}]})
        }
        _ if words.starts_with("a table {") => json!({"type": "object"}),
        _ if words.starts_with("the name of a link type") => {
            json!({"anyOf": [{"enum": choices}, {"type": "integer"}]})
        }
        "a whole number, 1 or more" => json!({"type": "integer", "minimum": 1}),
        _ if words.starts_with("one character such as") => {
            json!({"type": "string", "minLength": 1, "maxLength": 1})
        }
        _ if words.starts_with("a time such as") => json!({"type": ["string", "number"]}),
        _ if words.starts_with("one of ") => json!({"enum": choices}),
        _ if words.starts_with("a duration such as") => {
            let off = if words.contains("\"off\"") {
                "off|"
            } else {
                ""
            };
            json!({"type": "string", "pattern": format!("^({off}[0-9][0-9_]*(\\.[0-9]{{1,9}})?(d|h|m|s|ms|us|ns))$")})
        }
        _ if words.starts_with("\"8 packets\"") => {
            json!({"type": "string", "pattern": "^([0-9]+ ?packets?|[0-9][0-9_]*(\\.[0-9]{1,9})?(d|h|m|s|ms|us|ns))$"})
        }
        _ if words.starts_with("a size such as") => {
            json!({"type": "string", "pattern": "^[0-9][0-9_]*(\\.[0-9]{1,9})?(GiB|MiB|KiB|GB|MB|KB|B)$"})
        }
        // A form of its own, checked by its node.
        _ => json!({}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_recognised() {
        // The keys whose values have a form of their own; any other must have a type.
        let own_form = ["idle_timeout", "decap"];
        for section in &SECTIONS {
            for key in section_keys(section) {
                let typed = kind(&key.kind, &key.choices) != json!({});
                assert_eq!(
                    typed,
                    !own_form.contains(&key.name),
                    "{}: {}",
                    key.name,
                    key.kind
                );
            }
        }
    }

    #[test]
    fn defaults_keep_their_types() {
        let schema = schema();
        let flows = &schema["$defs"]["flows"]["properties"];
        assert_eq!(flows["max_flows"]["default"], 1_048_576);
        assert_eq!(
            flows["terminate"]["anyOf"][0]["enum"],
            json!(["tcp", "fin-rst", "never"])
        );
        assert_eq!(
            schema["$defs"]["sinks"]["anyOf"][0]["properties"]["header"]["default"],
            true
        );
    }
}
