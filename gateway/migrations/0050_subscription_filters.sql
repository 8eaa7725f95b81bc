-- Declarative filters, as their subscriber wrote them: json, because jsonb would write numbers anew.
alter table subscription add column filters json not null default '[]'
  constraint subscription_filters_are_a_list check (json_typeof(filters) = 'array');
