//! The JSON Schema of the file, for editors. Made from the raw structs, so it cannot drift from what is read.

use super::raw;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema (JSON Schema draft 2020-12) as a JSON value.
pub fn schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<raw::File>().to_value();
    without_null(&mut schema);
    schema
}

/// Takes `null` out of every choice of types: a key without a value is an error here, not an absent key.
fn without_null(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(without_null);
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|one| one != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            let Some(Value::Array(choices)) = map.get_mut("anyOf") else { return };
            choices.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                map.remove("anyOf");
                map.extend(only);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(without_null),
        _ => {}
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
