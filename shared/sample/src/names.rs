//! Names of nobody in particular, and logins and addresses made from them.
//!
//! The rule that must hold: a login or address is ASCII, and no two people have the same one.

use std::collections::HashMap;

/// First names from many places.
#[rustfmt::skip] // One name a line would be all that this file is.
pub(crate) const FIRST_NAMES: &[&str] = &[
    "Adaeze", "Aiko", "Alejandro", "Alice", "Amélie", "Amina", "Anders", "Andrei", "Ángel", "Anjali", "Anna",
    "Antoine", "Aoife", "Arjun", "Astrid", "Ayşe", "Beatriz", "Björn", "Bogdan", "Camille", "Carlos", "Caroline",
    "Chen", "Chiara", "Chloë", "Claire", "Daniel", "Daria", "David", "Deepa", "Diego", "Dmitri", "Dorota", "Édouard",
    "Elena", "Elif", "Emeka", "Emma", "Enzo", "Erik", "Esther", "Farah", "Fatima", "Felix", "Fiona", "Francesca",
    "François", "Gabriela", "Giulia", "Grace", "Gustavo", "Hana", "Hannah", "Hassan", "Helena", "Henrik", "Hiroshi",
    "Ibrahim", "Inês", "Ingrid", "Isabel", "Ivan", "Jakub", "James", "Jana", "Javier", "João", "Johanna", "Jonas",
    "José", "Juliette", "Kamal", "Karin", "Katarzyna", "Kenji", "Kofi", "Laila", "Lars", "Laura", "Leïla", "Leon",
    "Linh", "Lucía", "Ludovic", "Magnus", "Mai", "Małgorzata", "Marco", "María", "Marta", "Mateo", "Mehmet", "Mei",
    "Michał", "Miguel", "Mila", "Mohamed", "Nadia", "Naoko", "Natalia", "Ngozi", "Nicolas", "Nils", "Noémie", "Nora",
    "Olga", "Oliver", "Olivia", "Omar", "Paolo", "Patrick", "Paula", "Pavel", "Petra", "Philippe", "Piotr", "Priya",
    "Rafael", "Rania", "René", "Rosa", "Ryan", "Samuel", "Sanjay", "Sara", "Sean", "Siobhán", "Sofía", "Søren",
    "Stefan", "Sunita", "Sven", "Tamara", "Thabo", "Théo", "Thomas", "Tuấn", "Ursula", "Valentina", "Vikram",
    "Wanjiru", "Wei", "Yasmin", "Yuki", "Yusuf", "Zainab", "Zofia", "Zoë",
];

/// Last names from as many.
#[rustfmt::skip] // One name a line would be all that this file is.
pub(crate) const LAST_NAMES: &[&str] = &[
    "Abbott", "Acheampong", "Adeyemi", "Ahmed", "Åkesson", "Almeida", "Andersson", "Araújo", "Bachmann", "Bailey",
    "Bakker", "Banerjee", "Barbosa", "Bauer", "Becker", "Bélanger", "Bergström", "Bernard", "Bianchi", "Björklund",
    "Bondarenko", "Boucher", "Braun", "Brennan", "Brown", "Cárdenas", "Carvalho", "Castillo", "Chang", "Chaudhry",
    "Chukwu", "Clarke", "Colombo", "Conti", "Costa", "Cruz", "D'Angelo", "Da Silva", "Dąbrowski", "De Vries",
    "Delacroix", "Demir", "Deschamps", "Diallo", "Dubois", "Dumitrescu", "Edwards", "El Amrani", "Eriksson",
    "Esposito", "Evans", "Farouk", "Fernández", "Ferrari", "Fischer", "Fontaine", "Fournier", "Garnier", "Gómez",
    "González", "Greco", "Grünwald", "Gupta", "Hakimi", "Hansen", "Harris", "Hartmann", "Hernández", "Hoffmann",
    "Horvat", "Hughes", "Ibáñez", "Iwasaki", "Jansen", "Jensen", "Johansson", "Jones", "Kaya", "Keller", "Khan",
    "Kimura", "Kowalska", "Kozłowski", "Kumar", "Lambert", "Larsen", "Lefèvre", "Lehmann", "Li", "Lindqvist", "López",
    "Łukasik", "MacLeod", "Mahlangu", "Marchetti", "Martínez", "Mbeki", "McCarthy", "Mehta", "Mendes", "Meyer",
    "Molina", "Moreau", "Moretti", "Müller", "Murphy", "Mwangi", "Nair", "Nakamura", "Navarro", "Nguyễn", "Nielsen",
    "Novák", "Núñez", "O'Brien", "O'Neill", "Oduya", "Okafor", "Olsen", "Öztürk", "Papadakis", "Park", "Patel",
    "Pedersen", "Pereira", "Petrov", "Popescu", "Quintero", "Rahman", "Ramírez", "Rao", "Ricci", "Rodríguez", "Rossi",
    "Roux", "Sánchez", "Santos", "Sato", "Schmidt", "Schröder", "Sharma", "Silva", "Smith", "Sørensen", "Stewart",
    "Suzuki", "Svensson", "Takahashi", "Tanaka", "Taylor", "Thompson", "Torres", "Van den Berg", "Vasquez-Lund",
    "Virtanen", "Vogel", "Walsh", "Wang", "Weiß", "Williams", "Wójcik", "Wright", "Yamamoto", "Yılmaz", "Zhang",
    "Zieliński", "Zimmermann",
];

/// How many characters of a login come from the name; a number may follow.
const LOGIN_LENGTH: usize = 16;

/// Gives out logins and addresses, each once.
#[derive(Debug, Default)]
pub(crate) struct Handles {
    logins: HashMap<String, u32>,
    mailboxes: HashMap<String, u32>,
}

impl Handles {
    /// A login such as `jdoe`, or `jdoe2` for the second one.
    pub(crate) fn login(&mut self, first_name: &str, last_name: &str) -> String {
        let initial: String = letters(first_name).chars().take(1).collect();
        let base = (initial + &letters(last_name)).chars().take(LOGIN_LENGTH).collect();
        numbered(&mut self.logins, base)
    }

    /// The part of a mail address before the at sign, such as `jane.doe`.
    pub(crate) fn mailbox(&mut self, first_name: &str, last_name: &str) -> String {
        numbered(&mut self.mailboxes, format!("{}.{}", letters(first_name), letters(last_name)))
    }
}

/// Unique because a base holds no digits: what precedes the number is always the base.
fn numbered(taken: &mut HashMap<String, u32>, base: String) -> String {
    let count = taken.entry(base.clone()).and_modify(|count| *count += 1).or_insert(1);
    if *count == 1 { base } else { format!("{base}{count}") }
}

/// The ASCII letters of a name without its accents, in lower case.
fn letters(name: &str) -> String {
    deunicode::deunicode(name).chars().filter(char::is_ascii_alphabetic).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::SPECIALS;
    use std::collections::HashSet;

    #[test]
    fn handles_are_ascii_whatever_the_name() {
        let mut handles = Handles::default();
        assert_eq!(handles.login("Édouard", "Weiß"), "eweiss");
        assert_eq!(handles.login("Łucja", "D'Àrtagnan Ñu"), "ldartagnannu");
        assert_eq!(handles.mailbox("Søren", "Van den Berg"), "soren.vandenberg");
    }

    #[test]
    fn second_holder_of_a_name_gets_a_number() {
        let mut handles = Handles::default();
        assert_eq!(handles.login("Anna", "Li"), "ali");
        assert_eq!(handles.login("Amina", "Li"), "ali2");
        assert_eq!(handles.login("Aiko", "Lí"), "ali3");
    }

    #[test]
    fn long_names_are_cut() {
        assert_eq!(Handles::default().login("Wolfgang", "Wolfeschlegelsteinhausen"), "wwolfeschlegelst");
    }

    #[test]
    fn every_listed_name_has_letters_and_is_listed_once() {
        for list in [FIRST_NAMES, LAST_NAMES] {
            assert!(list.iter().all(|name| !letters(name).is_empty()));
            assert_eq!(list.iter().collect::<HashSet<_>>().len(), list.len());
        }
    }

    #[test]
    fn special_people_share_no_last_name_with_the_lists() {
        let listed: HashSet<String> = LAST_NAMES.iter().map(|name| letters(name)).collect();
        assert!(SPECIALS.iter().all(|special| !listed.contains(&letters(special.last_name))));
    }
}
