-- Changes of rows as events: triggers that a table's owner asks for by `hookgate.watch`.

-- The row's primary key as one text, for the key of its events: the value of a single column, else
-- all values as a JSON array. Null where the table has none.
create function hookgate.key_of(target oid, image json) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case count(*) when 0 then null when 1 then min(v.value) else json_agg(v.value order by v.position)::text end
  from (
    select k.position, image ->> a.attname as value
    from pg_index i
    cross join lateral unnest(i.indkey) with ordinality as k (attnum, position)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.attnum
    where i.indrelid = target and i.indisprimary
  ) v
$$;

-- Only these columns of a row; all of it where none are named.
create function hookgate.columns_of(image json, columns text[]) returns json
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case
    when image is null or columns is null then image
    else (select json_object_agg(e.key, e.value) from json_each(image) e where e.key = any (columns))
  end
$$;

-- What every watching trigger does. Its arguments: the type's first words, the tenant or a column that
-- names it, and the columns that count. Looks at the row as it comes, so that columns may be added,
-- renamed and dropped while the table is watched.
create function hookgate.watched() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  columns text[] := nullif(tg_argv[3], '')::text[];
  old_row json;
  new_row json;
  before json;
  after json;
  changed text[];
  tenant text := tg_argv[1];
  key text;
  source text := format('%s.%s', tg_table_schema, tg_table_name);
  what text;
  data json;
begin
  if tg_op <> 'INSERT' then
    old_row := row_to_json(old);
    before := hookgate.columns_of(old_row, columns);
  end if;
  if tg_op <> 'DELETE' then
    new_row := row_to_json(new);
    after := hookgate.columns_of(new_row, columns);
  end if;
  if tg_op = 'UPDATE' then
    select array_agg(n.key order by n.position) into changed
    from json_each_text(after) with ordinality as n (key, value, position)
    left join json_each_text(before) o on o.key = n.key
    where o.value is distinct from n.value;
    if changed is null then
      return null;
    end if;
  end if;
  if tg_argv[2] <> '' then
    tenant := coalesce(new_row, old_row) ->> tg_argv[2];
  end if;
  key := hookgate.key_of(tg_relid, coalesce(new_row, old_row));
  what := case tg_op when 'INSERT' then 'inserted' when 'UPDATE' then 'updated' else 'deleted' end;
  data := json_build_object('operation', lower(tg_op), 'table', source, 'key', key,
    'before', before, 'after', after, 'changed', to_json(changed));
  if octet_length(data::text) > 1048576 then
    -- A large row must not fail the transaction that changed it: its receivers fetch it themselves.
    data := json_build_object('operation', lower(tg_op), 'table', source, 'key', key,
      'before', null, 'after', null, 'changed', to_json(changed), 'too_large', true);
  end if;
  -- Rows of two tables are two entities. A key that no event may have keeps its order by its hash.
  key := source || ' ' || key;
  if octet_length(key) > 255 or key ~ '[\u0001-\u001F\u007F-\u009F\uFDD0-\uFDEF\uFFFE\uFFFF]' then
    key := encode(sha256(convert_to(key, 'UTF8')), 'hex');
  end if;
  -- A row without a tenant must not fail its transaction either: whoever drains sets it aside.
  perform hookgate.enqueue(tg_argv[0] || '.' || what, data, coalesce(tenant, ''), key, source);
  return null;
end
$$;

-- Makes every change of a row of `target` an event of type `type.inserted`, `type.updated` or
-- `type.deleted`. Called again it replaces what was asked for before. The caller owns the table, or
-- has the right to put triggers on it.
create function hookgate.watch(target regclass, type text, tenant text default 'default',
  tenant_column text default null, columns text[] default null, operations text[] default '{insert,update,delete}')
returns void language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
declare
  unknown text;
begin
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

-- Ends it. Nothing happens where the table is not watched.
create function hookgate.unwatch(target regclass) returns void
language plpgsql volatile set search_path = pg_catalog, pg_temp as $$
begin
  execute format('drop trigger if exists hookgate_watch on %s', target);
end
$$;

-- A role that may watch the tables that it owns:
--   grant usage on schema hookgate to app;
--   grant execute on function hookgate.watch, hookgate.unwatch, hookgate.watched to app;
revoke all on function hookgate.watched, hookgate.watch, hookgate.unwatch from public;
comment on function hookgate.watch is 'Makes every change of a row of a table an event.';
