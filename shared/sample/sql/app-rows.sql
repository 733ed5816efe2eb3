-- What the application holds before anything is provisioned: its groups, and one account that is nobody's.
INSERT INTO groups (name, description) VALUES
    ('all-staff', 'Everyone'),
    ('employees', 'Employees'),
    ('contractors', 'Contractors'),
    ('leadership', 'Leadership team'),
    ('managers', 'People who manage people'),
    ('finance', 'Finance'),
    ('sales', 'Sales'),
    ('engineering', 'Engineering'),
    ('personnel-records', 'Reads personnel records'),
    ('legal', 'Legal'),
    ('operations', 'Operations'),
    ('it', 'IT'),
    ('web-editors', 'Publishes on the website'),
    ('service-desk', 'Answers customers');

-- Someone once gave the reception tablet a person's address: the address is taken when that person comes.
INSERT INTO accounts (login, mail, full_name, title, department, location, manager_login, cost_center) VALUES
    ('svc-reception', 'imara.quillfeather@alderway.example', 'Reception tablet', NULL, NULL, 'London', NULL, NULL);
