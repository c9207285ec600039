//! The text of `Fn::Sub`, taken apart.
//!
//! AWS: *CloudFormation User Guide*, "Fn::Sub": `${Name}`, `${Resource.Attribute}`, and `${!Literal}` for `${Literal}`.

use super::error::TemplateError;

/// A part of the text of a `Fn::Sub`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stays as it is.
    Text(&'a str),
    /// Is replaced.
    Variable(&'a str),
}

pub(crate) fn malformed() -> TemplateError {
    TemplateError::function(
        "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an \
         optional second argument to specify a mapping of values to replace in the string",
    )
}

/// Takes the text of a `Fn::Sub` apart.
///
/// # Errors
/// If a name has a character that no name may have.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateError> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else { break };
        if !before.is_empty() {
            out.push(Piece::Text(before));
        }
        if let Some(literal) = name.strip_prefix('!') {
            out.extend([Piece::Text("${"), Piece::Text(literal), Piece::Text("}")]);
        } else {
            let name = name.trim();
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.:".contains(c)) {
                return Err(TemplateError::function(
                    "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and \
                     colons",
                ));
            }
            out.push(Piece::Variable(name));
        }
        rest = behind;
    }
    if !rest.is_empty() {
        out.push(Piece::Text(rest));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    #[test]
    fn variables_and_literals_are_told_apart() {
        use Piece::{Text, Variable};
        let check = |text: &str, expect: &[Piece<'_>]| assert_eq!(pieces(text).unwrap(), expect, "{text}");
        check("", &[]);
        check("plain $ {x}", &[Text("plain $ {x}")]);
        check("${A}", &[Variable("A")]);
        check("a-${A.Arn}-b", &[Text("a-"), Variable("A.Arn"), Text("-b")]);
        check("${AWS::Region}${!Lit}", &[Variable("AWS::Region"), Text("${"), Text("Lit"), Text("}")]);
        check("open ${A", &[Text("open ${A")]);
        assert!(pieces("${a b}").is_err());
        assert!(pieces("${}").is_err());
    }
}
