//! The two declarations of jayflow: `#[derive(Features)]` for the columns of a group and `#[derive(Options)]` for the settings of
//! a node. Both only read the struct; they know nothing of the operators beyond the traits they implement.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::quote;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, ExprLit, Field, Fields, Lit, LitStr, Result, Type,
};

/// Columns of a group: field = column, field order = column order, `Option` = nullable, doc comment = definition.
///
/// On the struct: `#[features(group = "timing", profile = "JJ-CORE", source = "RFC 9293")]`; the group defaults to the struct's name in snake_case.
/// On a field: `#[column(unit, null, default, profile, scope, split, when, element, private, name,
/// source, differs, sequence)]`, or `#[family(...)]` with the same
/// keys for a field whose type stands for several columns. The profile JF-EXTRA is that of columns beyond the reference's
/// catalogue: they are there only where they are asked for. `null` is required with `Option` and refused without.
/// `default` is that of the type (0, false, [], the empty text) unless given; the empty text keeps nulls in a column of numbers.
///
/// `#[part]` on a field: its type is another such struct, whose columns come in its place. So a group may lie in several files.
#[proc_macro_derive(Features, attributes(features, column, family, part))]
pub fn features(input: TokenStream) -> TokenStream {
    expand(input, derive_features)
}

/// Settings of a node: field = key of the section, doc comment = what it does. On a field:
/// `#[option(default = "50ms")]` (`required` for a key that must be there, `name` where the key is a word of the language).
/// On an enum without fields: its variants, in kebab-case, are the values that a key may have.
#[proc_macro_derive(Options, attributes(option))]
pub fn options(input: TokenStream) -> TokenStream {
    expand(input, derive_options)
}

fn expand(input: TokenStream, derive: fn(&DeriveInput) -> Result<Tokens>) -> TokenStream {
    let input = syn::parse_macro_input!(input as DeriveInput);
    derive(&input)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// `key = "text"` pairs and bare keys of one attribute.
#[derive(Default)]
struct Arguments(Vec<(String, Option<String>, proc_macro2::Span)>);

impl Arguments {
    fn of(attributes: &[Attribute], name: &str, known: &[&str]) -> Result<Option<Self>> {
        let Some(attribute) = attributes
            .iter()
            .find(|attribute| attribute.path().is_ident(name))
        else {
            return Ok(None);
        };
        let mut found = Self::default();
        if matches!(attribute.meta, syn::Meta::Path(_)) {
            return Ok(Some(found));
        }
        attribute.parse_nested_meta(|meta| {
            let key = meta.path.require_ident()?.to_string();
            if !known.contains(&key.as_str()) {
                return Err(meta.error(format!(
                    "unknown key `{key}`; known are {}",
                    known.join(", ")
                )));
            }
            let value = if meta.input.peek(syn::Token![=]) {
                Some(meta.value()?.parse::<LitStr>()?.value())
            } else {
                None
            };
            found.0.push((key, value, meta.path.span()));
            Ok(())
        })?;
        Ok(Some(found))
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(name, ..)| name == key)
            .and_then(|(_, value, _)| value.as_deref())
    }

    fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(name, ..)| name == key)
    }
}

/// The doc comment as one line.
fn doc(attributes: &[Attribute], at: &impl Spanned, what: &str) -> Result<String> {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(
            |attribute| match &attribute.meta.require_name_value().ok()?.value {
                Expr::Lit(ExprLit {
                    lit: Lit::Str(text),
                    ..
                }) => Some(text.value().trim().to_owned()),
                _ => None,
            },
        )
        .collect();
    let text = lines.join(" ").trim().to_owned();
    if text.is_empty() {
        return Err(Error::new(
            at.span(),
            format!("{what} needs a doc comment: it is its definition"),
        ));
    }
    Ok(text)
}

fn fields<'a>(input: &'a DeriveInput, what: &str) -> Result<Vec<&'a Field>> {
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(fields.named.iter().collect()),
            Fields::Unit => Ok(Vec::new()),
            Fields::Unnamed(_) => Err(Error::new(
                input.span(),
                format!("{what} needs named fields"),
            )),
        },
        _ => Err(Error::new(input.span(), format!("{what} is for structs"))),
    }
}

/// `TcpOptions` with `separator` `_` is `tcp_options`.
fn separated(name: &str, separator: char) -> String {
    let mut out = String::new();
    for (at, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && at > 0 {
            out.push(separator);
        }
        out.extend(letter.to_lowercase());
    }
    out
}

fn is_option(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|segment| segment.ident == "Option"))
}

const COLUMN_KEYS: [&str; 13] = [
    "unit", "null", "default", "profile", "scope", "split", "when", "element", "private", "name",
    "source", "differs", "sequence",
];

fn derive_features(input: &DeriveInput) -> Result<Tokens> {
    let name = &input.ident;
    let shared = Arguments::of(&input.attrs, "features", &["group", "profile", "source"])?
        .unwrap_or_default();
    let group = shared
        .get("group")
        .map_or_else(|| separated(&name.to_string(), '_'), str::to_owned);
    let mut schema = Vec::new();
    let mut write = Vec::new();
    for field in fields(input, "Features")? {
        let ident = field
            .ident
            .as_ref()
            .ok_or_else(|| Error::new(field.span(), "a column needs a name"))?;
        let ty = &field.ty;
        if Arguments::of(&field.attrs, "part", &[])?.is_some() {
            schema.push(quote! {
                schema.extend(<#ty as jayflow_operators::schema::Features>::schema());
            });
            write.push(quote!(jayflow_operators::schema::Features::write(&self.#ident, out);));
            continue;
        }
        let definition = doc(&field.attrs, field, "a column")?;
        let family = Arguments::of(&field.attrs, "family", &COLUMN_KEYS)?;
        let is_family = family.is_some();
        let column = Arguments::of(&field.attrs, "column", &COLUMN_KEYS)?;
        if is_family && column.is_some() {
            return Err(Error::new(
                field.span(),
                "a field is a column or a family, not both",
            ));
        }
        let arguments = family.or(column).unwrap_or_default();
        let null = arguments.get("null");
        if !is_family {
            match (is_option(ty), null) {
                (true, None) => {
                    return Err(Error::new(
                        field.span(),
                        "an Option needs `null`: say when it is null",
                    ));
                }
                (false, Some(_)) => {
                    return Err(Error::new(
                        field.span(),
                        "`null` is for an Option; this is never null",
                    ));
                }
                _ => {}
            }
        }
        let text = |key: &str, default: &str| arguments.get(key).unwrap_or(default).to_owned();
        let column_name = text("name", ident.to_string().trim_start_matches("r#"));
        let unit = text("unit", "");
        let default = match arguments.get("default") {
            Some(text) => quote!(#text.into()),
            None => quote!(data_type.default().into()),
        };
        let profile = match arguments
            .get("profile")
            .or(shared.get("profile"))
            .unwrap_or("JJ-CORE")
        {
            "JJ-CORE" => quote!(Core),
            "JJ-EXTENDED" => quote!(Extended),
            "JJ-EXPERIMENTAL" => quote!(Experimental),
            "JF-EXTRA" => quote!(Extra),
            "OPTIONAL" => quote!(Optional),
            other => return Err(Error::new(field.span(), format!("`{other}` is no profile"))),
        };
        let scope_text = text("scope", "both");
        let scope = match scope_text.as_str() {
            "flow" => quote!(Flow),
            "both" => quote!(Both),
            "fwd" => quote!(Fwd),
            "bwd" => quote!(Bwd),
            "src" => quote!(Src),
            "dst" => quote!(Dst),
            other => {
                return Err(Error::new(
                    field.span(),
                    format!("`{other}` is no scope: flow, both, fwd, bwd, src, dst"),
                ));
            }
        };
        let usual = match scope_text.as_str() {
            "both" => "yes",
            "flow" | "src" | "dst" => "no",
            _ => "is",
        };
        let split = match text("split", usual).as_str() {
            "yes" => quote!(Yes),
            "no" => quote!(No),
            "is" => quote!(Is),
            other => {
                return Err(Error::new(
                    field.span(),
                    format!("`{other}` is no split: yes, no, is"),
                ));
            }
        };
        let optional =
            |value: Option<&str>| value.map_or(quote!(None), |value| quote!(Some(#value.into())));
        let (null, when) = (optional(null), optional(arguments.get("when")));
        let source = optional(arguments.get("source").or(shared.get("source")));
        let differs = optional(arguments.get("differs"));
        let sequence = arguments.has("sequence");
        let element = match arguments.get("element").map(str::parse::<u16>) {
            None => quote!(None),
            Some(Ok(number)) => quote!(Some(#number)),
            Some(Err(_)) => {
                return Err(Error::new(
                    field.span(),
                    "`element` is the number of an IPFIX information element",
                ));
            }
        };
        let private = match arguments.get("private") {
            None => quote!(jayflow_operators::schema::Private::usual(&data_type)),
            Some("mac") => quote!(Some(jayflow_operators::schema::Private::Mac)),
            Some("name") => quote!(Some(jayflow_operators::schema::Private::Name)),
            Some("id") => quote!(Some(jayflow_operators::schema::Private::Id)),
            Some(other) => {
                return Err(Error::new(
                    field.span(),
                    format!("`{other}` is nothing private: mac, name, id"),
                ));
            }
        };
        let feature = |name: Tokens, data_type: Tokens, definition: Tokens| {
            quote! {
                let data_type = #data_type;
                schema.push(jayflow_operators::schema::Feature {
                    name: #name,
                    group: #group.into(),
                    unit: #unit.into(),
                    null: #null,
                    private: #private,
                    default: #default,
                    data_type,
                    profile: jayflow_operators::schema::Profile::#profile,
                    scope: jayflow_operators::schema::Scope::#scope,
                    split: jayflow_operators::schema::Split::#split,
                    sequence: #sequence,
                    when: #when,
                    definition: #definition,
                    element: #element,
                    source: #source,
                    differs: #differs,
                });
            }
        };
        if is_family {
            let feature = feature(
                quote!(format!("{}_{}", #column_name, member.suffix).into()),
                quote!(member.data_type),
                quote!(format!("{} {}", member.phrase, #definition).into()),
            );
            schema.push(quote! {
                for member in <#ty as jayflow_operators::schema::Family>::members() { #feature }
            });
            write.push(quote!(jayflow_operators::schema::Family::write(&self.#ident, out);));
        } else {
            schema.push(feature(
                quote!(#column_name.into()),
                quote!(<#ty as jayflow_operators::schema::Value>::data_type()),
                quote!(#definition.into()),
            ));
            write.push(quote!(jayflow_operators::schema::Value::write(&self.#ident, out);));
        }
    }
    Ok(quote! {
        impl jayflow_operators::schema::Features for #name {
            const GROUP: &'static str = #group;
            fn schema() -> jayflow_operators::schema::Schema {
                let mut schema = Vec::new();
                #(#schema)*
                schema
            }
            fn write(&self, out: &mut jayflow_operators::columns::RowWriter<'_>) {
                #(#write)*
                let _ = out;
            }
        }
    })
}

fn derive_options(input: &DeriveInput) -> Result<Tokens> {
    if let Data::Enum(data) = &input.data {
        return derive_choice(input, data);
    }
    let name = &input.ident;
    let (mut keys, mut sets, mut defaults) = (Vec::new(), Vec::new(), Vec::new());
    for field in fields(input, "Options")? {
        let ident = field
            .ident
            .as_ref()
            .ok_or_else(|| Error::new(field.span(), "a setting needs a name"))?;
        let ty = &field.ty;
        let doc = doc(&field.attrs, field, "a setting")?;
        let arguments = Arguments::of(&field.attrs, "option", &["default", "required", "name"])?
            .unwrap_or_default();
        let key = arguments.get("name").map_or_else(
            || ident.to_string().trim_start_matches("r#").to_owned(),
            str::to_owned,
        );
        let required = arguments.has("required");
        let default = match arguments.get("default") {
            Some(text) => {
                defaults.push(
                    quote!(#ident: jayflow_operators::options::read_default::<#ty>(#key, #text)),
                );
                quote!(Some(#text))
            }
            None => {
                defaults.push(quote!(#ident: Default::default()));
                quote!(None)
            }
        };
        keys.push(quote! {
            jayflow_operators::options::Key {
                name: #key,
                kind: <#ty as jayflow_operators::options::OptionValue>::kind(),
                default: #default,
                choices: <#ty as jayflow_operators::options::OptionValue>::choices(),
                doc: #doc,
                required: #required,
            }
        });
        sets.push(quote! {
            #key => { self.#ident = <#ty as jayflow_operators::options::OptionValue>::read(value)?; Ok(()) }
        });
    }
    Ok(quote! {
        impl Default for #name {
            fn default() -> Self {
                Self { #(#defaults),* }
            }
        }
        impl jayflow_operators::options::Options for #name {
            fn keys() -> Vec<jayflow_operators::options::Key> {
                vec![#(#keys),*]
            }
            fn set(
                &mut self,
                key: &str,
                value: &jayflow_operators::options::Setting,
            ) -> Result<(), jayflow_operators::options::OptionError> {
                match key {
                    #(#sets)*
                    _ => {
                        let _ = value;
                        Err(jayflow_operators::options::Wrong::UnknownKey(
                            key.to_owned(),
                            Self::keys().iter().map(|key| key.name.to_owned()).collect(),
                        ).into())
                    }
                }
            }
        }
    })
}

/// An enum without fields: its variants in kebab-case are the values.
fn derive_choice(input: &DeriveInput, data: &syn::DataEnum) -> Result<Tokens> {
    let name = &input.ident;
    let kind = separated(&name.to_string(), ' ');
    let (mut texts, mut docs, mut variants) = (Vec::new(), Vec::new(), Vec::new());
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(Error::new(variant.span(), "a choice has no fields"));
        }
        docs.push(doc(&variant.attrs, variant, "a choice")?);
        let arguments = Arguments::of(&variant.attrs, "option", &["name"])?.unwrap_or_default();
        texts.push(
            arguments
                .get("name")
                .map_or_else(|| separated(&variant.ident.to_string(), '-'), str::to_owned),
        );
        variants.push(&variant.ident);
    }
    Ok(quote! {
        impl #name {
            /// The value as it is written in a spec.
            pub const fn name(self) -> &'static str {
                match self { #(Self::#variants => #texts),* }
            }

            /// What the value means.
            pub const fn doc(self) -> &'static str {
                match self { #(Self::#variants => #docs),* }
            }
        }
        impl jayflow_operators::options::OptionValue for #name {
            fn kind() -> String {
                format!("one of {}", Self::choices().join(", "))
            }
            fn choices() -> Vec<&'static str> {
                vec![#(#texts),*]
            }
            fn read(
                setting: &jayflow_operators::options::Setting,
            ) -> Result<Self, jayflow_operators::options::OptionError> {
                match setting {
                    jayflow_operators::options::Setting::Text(text) => match text.as_str() {
                        #(#texts => Ok(Self::#variants),)*
                        _ => Err(jayflow_operators::options::Wrong::Choice(
                            #kind.to_owned(),
                            vec![#(#texts.to_owned()),*],
                        ).into()),
                    },
                    other => jayflow_operators::options::wrong_kind(&Self::kind(), other),
                }
            }
        }
    })
}
