-- Types that begin with a dot are nobody's wish: `hookgate.watch` refuses to be given no first word.
create or replace function hookgate.watch(target regclass, type text, tenant text default 'default',
  tenant_column text default null, columns text[] default null, operations text[] default '{insert,update,delete}')
returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  unknown text;
begin
  if type = '' then
    raise exception 'hookgate.watch: type is empty, so events of % would be called .inserted', target
      using errcode = 'invalid_parameter_value', hint = 'Name what the rows are, as in ''invoice'': its events are invoice.inserted and so on.';
  end if;
  perform hookgate.check_event(type || '.inserted', 'null', tenant, null);
  select string_agg(o, ', ') into unknown from unnest(operations) o where o not in ('insert', 'update', 'delete');
  if unknown is not null or coalesce(cardinality(operations), 0) = 0 then
    raise exception 'hookgate.watch: operations % are not known', coalesce(unknown, '{}')
      using errcode = 'invalid_parameter_value', hint = 'Name some of insert, update and delete.';
  end if;
  select string_agg(c, ', ') into unknown from unnest(columns || tenant_column) c
  where c is not null and not exists (
    select from pg_attribute a where a.attrelid = target and a.attname = c and a.attnum > 0 and not a.attisdropped);
  if unknown is not null then
    raise exception 'hookgate.watch: % has no column %', target, unknown
      using errcode = 'undefined_column', hint = 'Name columns of the table as they are now.';
  end if;
  execute format(
    'create or replace trigger hookgate_watch after %s on %s for each row execute function hookgate.watched(%L, %L, %L, %L)',
    array_to_string(operations, ' or '), target, type, tenant, coalesce(tenant_column, ''), coalesce(columns::text, ''));
end
$$;
