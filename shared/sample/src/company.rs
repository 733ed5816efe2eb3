//! The shape of the company: departments with their relative sizes, titles, cost centres and places.
//!
//! The rule that must hold: a title ends with `Manager` exactly when its holder manages people below the head of a
//! department, for the catalogs' rules read it so.

/// One department.
#[derive(Debug)]
pub(crate) struct Department {
    pub(crate) name: &'static str,
    /// Its share of everyone but the CEO, in hundredths; the shares sum to 100.
    pub(crate) share: usize,
    pub(crate) head: &'static str,
    pub(crate) manager: &'static str,
    /// Titles of those who manage nobody; earlier ones are more frequent.
    pub(crate) members: &'static [&'static str],
    /// The first of its cost centres.
    pub(crate) cost_center: u32,
}

/// The department of the CEO alone.
pub(crate) const EXECUTIVE: &str = "Executive";
/// The title of the CEO.
pub(crate) const CEO_TITLE: &str = "Chief Executive Officer";
/// The cost centre of the CEO.
pub(crate) const CEO_COST_CENTER: u32 = 1000;

/// How many people report to one manager at most.
pub(crate) const SPAN: usize = 9;

/// The largest first, so that the smallest organisations have the departments that matter most.
pub(crate) const DEPARTMENTS: [Department; 10] = [
    Department {
        name: "Engineering",
        share: 24,
        head: "Chief Technology Officer",
        manager: "Engineering Manager",
        members: &["Software Engineer", "Senior Software Engineer", "Test Engineer", "Product Designer", "Architect"],
        cost_center: 3100,
    },
    Department {
        name: "Operations",
        share: 17,
        head: "Chief Operating Officer",
        manager: "Operations Manager",
        members: &["Warehouse Associate", "Logistics Planner", "Shift Lead", "Senior Logistics Planner", "Buyer"],
        cost_center: 4100,
    },
    Department {
        name: "Sales",
        share: 15,
        head: "Director of Sales",
        manager: "Sales Manager",
        members: &["Sales Representative", "Account Executive", "Senior Account Executive", "Sales Analyst"],
        cost_center: 5500,
    },
    Department {
        name: "Support",
        share: 11,
        head: "Director of Support",
        manager: "Support Manager",
        members: &["Support Specialist", "Senior Support Specialist", "Technical Writer"],
        cost_center: 4600,
    },
    Department {
        name: "Finance",
        share: 9,
        head: "Chief Financial Officer",
        manager: "Finance Manager",
        members: &["Accountant", "Senior Accountant", "Payroll Specialist", "Controller"],
        cost_center: 2100,
    },
    Department {
        name: "IT",
        share: 8,
        head: "Director of IT",
        manager: "IT Manager",
        members: &["Systems Administrator", "Network Engineer", "Service Desk Analyst", "Senior Systems Administrator"],
        cost_center: 3600,
    },
    Department {
        name: "Marketing",
        share: 6,
        head: "Director of Marketing",
        manager: "Marketing Manager",
        members: &["Content Editor", "Campaign Specialist", "Graphic Designer", "Senior Content Editor"],
        cost_center: 5100,
    },
    Department {
        name: "Human Resources",
        share: 5,
        head: "Director of Human Resources",
        manager: "Human Resources Manager",
        members: &["Recruiter", "Human Resources Partner", "Learning Specialist", "Senior Recruiter"],
        cost_center: 2500,
    },
    Department {
        name: "Legal",
        share: 3,
        head: "General Counsel",
        manager: "Legal Manager",
        members: &["Paralegal", "Counsel", "Senior Counsel"],
        cost_center: 2700,
    },
    Department {
        name: "Research",
        share: 2,
        head: "Director of Research",
        manager: "Research Manager",
        members: &["Research Scientist", "Senior Research Scientist", "Laboratory Technician"],
        cost_center: 3900,
    },
];

/// One place of work.
#[derive(Debug)]
pub(crate) struct Location {
    pub(crate) name: &'static str,
    pub(crate) weight: u32,
    /// Country and area code; the rest of a phone number is made up.
    pub(crate) phone_prefix: &'static str,
}

/// Where people work, the headquarters first.
pub(crate) const LOCATIONS: [Location; 8] = [
    Location { name: "London", weight: 26, phone_prefix: "+44 20 5550" },
    Location { name: "Lyon", weight: 16, phone_prefix: "+33 4 5550" },
    Location { name: "Kraków", weight: 14, phone_prefix: "+48 12 555" },
    Location { name: "Zürich", weight: 10, phone_prefix: "+41 44 555" },
    Location { name: "Austin", weight: 12, phone_prefix: "+1 512 555" },
    Location { name: "São Paulo", weight: 9, phone_prefix: "+55 11 5550" },
    Location { name: "Bengaluru", weight: 8, phone_prefix: "+91 80 5550" },
    Location { name: "Singapore", weight: 5, phone_prefix: "+65 6555" },
];

/// Where a few of Operations work, who need a badge made by hand. Nobody is there by chance.
pub(crate) const DEPOT: Location = Location { name: "Rotterdam Depot", weight: 0, phone_prefix: "+31 10 555" };

/// The depot's share of all people, in thousandths: twelve of 250.
pub(crate) const DEPOT_SHARE: usize = 48;

/// How many of `people` each department has, by largest remainder, so that the numbers sum to `people` and depend on
/// nothing else.
pub(crate) fn department_sizes(people: usize) -> [usize; DEPARTMENTS.len()] {
    let mut sizes = DEPARTMENTS.each_ref().map(|department| department.share * people / 100);
    let mut remainders: Vec<(usize, usize)> =
        DEPARTMENTS.iter().map(|department| department.share * people % 100).enumerate().collect();
    remainders.sort_by_key(|&(index, remainder)| (std::cmp::Reverse(remainder), index));
    let missing = people - sizes.iter().sum::<usize>();
    for (index, _) in remainders.into_iter().take(missing) {
        if let Some(size) = sizes.get_mut(index) {
            *size += 1;
        }
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_sum_to_a_hundred() {
        assert_eq!(DEPARTMENTS.iter().map(|department| department.share).sum::<usize>(), 100);
    }

    #[test]
    fn department_sizes_sum_to_the_people() {
        for people in [0, 1, 2, 7, 59, 249, 999, 100_000] {
            assert_eq!(department_sizes(people).iter().sum::<usize>(), people, "{people} people");
        }
    }

    #[test]
    fn manager_titles_and_no_others_end_with_manager() {
        for department in &DEPARTMENTS {
            assert!(department.manager.ends_with("Manager"), "{}", department.manager);
            assert!(!department.head.ends_with("Manager"), "{}", department.head);
            assert!(department.members.iter().all(|title| !title.ends_with("Manager")), "{}", department.name);
        }
    }
}
