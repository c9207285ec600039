//! Conditions combined with `&&`, `||` and parentheses; the precedence is `()`, then `&&`, then `||`.

use super::error::PatternError;
use super::scan::Scan;

/// The deepest nesting of parentheses accepted.
const PAREN_DEPTH_MAX: usize = 32;

/// A boolean combination of conditions `C`. Its depth is bounded by the parentheses of the pattern.
#[derive(Clone, Debug)]
pub(super) enum Expr<C> {
    Is(C),
    All(Vec<Expr<C>>),
    Any(Vec<Expr<C>>),
}

impl<C> Expr<C> {
    /// Reads an expression; `condition` reads one condition.
    pub(super) fn parse(
        scan: &mut Scan<'_>,
        condition: &mut dyn FnMut(&mut Scan<'_>) -> Result<C, PatternError>,
    ) -> Result<Expr<C>, PatternError> {
        parse_any(scan, condition, PAREN_DEPTH_MAX)
    }

    /// Evaluates, stopping at the first condition that decides.
    pub(super) fn holds(&self, condition: &mut dyn FnMut(&C) -> bool) -> bool {
        match self {
            Expr::Is(one) => condition(one),
            Expr::All(all) => all.iter().all(|one| one.holds(condition)),
            Expr::Any(any) => any.iter().any(|one| one.holds(condition)),
        }
    }

    /// Every condition, in the order written.
    pub(super) fn visit<'e>(&'e self, see: &mut dyn FnMut(&'e C)) {
        match self {
            Expr::Is(one) => see(one),
            Expr::All(several) | Expr::Any(several) => several.iter().for_each(|one| one.visit(see)),
        }
    }
}

type Condition<'p, C> = &'p mut dyn FnMut(&mut Scan<'_>) -> Result<C, PatternError>;

fn parse_any<C>(scan: &mut Scan<'_>, condition: Condition<'_, C>, depth: usize) -> Result<Expr<C>, PatternError> {
    let mut any = vec![parse_all(scan, condition, depth)?];
    while eat_operator(scan, "||") {
        any.push(parse_all(scan, condition, depth)?);
    }
    Ok(one_or(any, Expr::Any))
}

fn parse_all<C>(scan: &mut Scan<'_>, condition: Condition<'_, C>, depth: usize) -> Result<Expr<C>, PatternError> {
    let mut all = vec![parse_one(scan, condition, depth)?];
    while eat_operator(scan, "&&") {
        all.push(parse_one(scan, condition, depth)?);
    }
    Ok(one_or(all, Expr::All))
}

fn parse_one<C>(scan: &mut Scan<'_>, condition: Condition<'_, C>, depth: usize) -> Result<Expr<C>, PatternError> {
    scan.skip_space();
    if !scan.eat("(") {
        return condition(scan).map(Expr::Is);
    }
    let deeper = depth.checked_sub(1).ok_or(PatternError::TooDeep(PAREN_DEPTH_MAX))?;
    let inner = parse_any(scan, condition, deeper)?;
    scan.skip_space();
    if scan.eat(")") { Ok(inner) } else { Err(found("&&, || or )", scan)) }
}

fn eat_operator(scan: &mut Scan<'_>, operator: &str) -> bool {
    scan.skip_space();
    scan.eat(operator)
}

fn one_or<C>(mut several: Vec<Expr<C>>, combine: fn(Vec<Expr<C>>) -> Expr<C>) -> Expr<C> {
    match several.pop() {
        Some(only) if several.is_empty() => only,
        Some(last) => {
            several.push(last);
            combine(several)
        }
        None => combine(several),
    }
}

/// The error that something else was expected at this place.
pub(super) fn found(expected: &'static str, scan: &Scan<'_>) -> PatternError {
    PatternError::Expected { expected, found: scan.peek().map(|c| format!("{c:?}")) }
}
