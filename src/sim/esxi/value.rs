//! Values as `vim-cmd` prints them on 6.x and later: three blanks a level, a comma and a blank at
//! the end of each line but an object's last, no escaping inside strings.

/// A printed value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// `(type) { … }`
    Object(&'static str, Vec<(&'static str, Value)>),
    /// `(type) [ … ]`
    List(&'static str, Vec<Value>),
    /// `(type) null`
    Null(&'static str),
    /// `<unset>`
    Unset,
    /// `"…"`
    Text(String),
    /// `'…'`
    Reference(String),
    /// A number or boolean.
    Bare(String),
}

impl Value {
    /// A string.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A string, or `<unset>`.
    pub(crate) fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Unset, |text| Self::Text(text.into()))
    }

    /// A number or boolean.
    pub(crate) fn bare(value: impl ToString) -> Self {
        Self::Bare(value.to_string())
    }

    /// As a whole answer, with the closing newline.
    pub(crate) fn print(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text.push('\n');
        text
    }

    fn write(&self, text: &mut String, level: usize) {
        let pad = "   ".repeat(level + 1);
        let end = "   ".repeat(level);
        match self {
            Self::Object(kind, fields) => {
                text.push_str(&format!("({kind}) {{\n"));
                for (index, (name, value)) in fields.iter().enumerate() {
                    text.push_str(&format!("{pad}{name} = "));
                    value.write(text, level + 1);
                    // `faultMessage` has no comma in the only capture of a fault of 6.x and later.
                    let comma = index + 1 < fields.len() && *name != "faultMessage";
                    text.push_str(if comma { ", \n" } else { "\n" });
                }
                text.push_str(&format!("{end}}}"));
            }
            Self::List(kind, items) if items.is_empty() => text.push_str(&format!("({kind}) []")),
            Self::List(kind, items) => {
                text.push_str(&format!("({kind}) [\n"));
                for (index, item) in items.iter().enumerate() {
                    text.push_str(&pad);
                    item.write(text, level + 1);
                    text.push_str(if index + 1 < items.len() {
                        ", \n"
                    } else {
                        "\n"
                    });
                }
                text.push_str(&format!("{end}]"));
            }
            Self::Null(kind) => text.push_str(&format!("({kind}) null")),
            Self::Unset => text.push_str("<unset>"),
            Self::Text(value) => text.push_str(&format!("\"{value}\"")),
            Self::Reference(value) => text.push_str(&format!("'{value}'")),
            Self::Bare(value) => text.push_str(value),
        }
    }
}

/// A fault; it is printed on standard output.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// `vim.fault.NotFound` and the like.
    pub(crate) kind: &'static str,
    /// Fields between the head and the message.
    pub(crate) fields: Vec<(&'static str, Value)>,
    /// The message.
    pub(crate) message: String,
}

impl Fault {
    /// A fault without fields of its own.
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            kind,
            fields: vec![("faultMessage", Value::Unset)],
            message: message.into(),
        }
    }

    /// No VM has this id.
    pub(crate) fn no_vm(id: &str) -> Self {
        Self::new(
            "vim.fault.NotFound",
            format!("Unable to find a VM corresponding to \"{id}\""),
        )
    }

    /// The VM is in the wrong power state.
    pub(crate) fn power_state(wanted: &str, found: &str, shown: &str) -> Self {
        let mut fault = Self::new(
            "vim.fault.InvalidPowerState",
            format!("The attempted operation cannot be performed in the current state ({shown})."),
        );
        fault.fields.push(("requestedState", Value::text(wanted)));
        fault.fields.push(("existingState", Value::text(found)));
        fault
    }

    /// As printed.
    pub(crate) fn value(&self) -> Value {
        let mut fields = vec![("faultCause", Value::Null("vmodl.MethodFault"))];
        fields.extend(self.fields.clone());
        fields.push(("msg", Value::text(self.message.clone())));
        Value::Object(self.kind, fields)
    }
}
