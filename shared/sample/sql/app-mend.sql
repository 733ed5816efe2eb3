-- Gives the reception tablet an address of its own, so that the person's account can be created.
UPDATE accounts SET mail = 'reception-tablet@alderway.example' WHERE login = 'svc-reception';
