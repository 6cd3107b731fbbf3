-- Up Migration

create table namespaces (
  name text collate "C" not null
    constraint namespaces_pkey primary key
    constraint namespaces_name_length check (octet_length(name) between 1 and 255),
  is_closed boolean not null default false,
  catalogue_version bigint not null default 0
);
comment on table namespaces is
  'Namespaces that have a catalogue or that somebody has closed. One that is not here is open and has none.';
comment on column namespaces.name is 'A tenant''s or project''s room of resources.';
comment on column namespaces.is_closed is 'True: only resources of the catalogue can be locked.';
comment on column namespaces.catalogue_version is
  'Grows with every change of the catalogue, whose writers lock this row: they come one after the other.';

create table resources (
  namespace text collate "C" not null
    constraint resources_namespace_fkey references namespaces (name),
  resource_type text collate "C" not null
    constraint resources_resource_type_length check (octet_length(resource_type) between 1 and 255),
  resource_id text collate "C" not null
    constraint resources_resource_id_length check (octet_length(resource_id) between 1 and 1024),
  parent_type text collate "C",
  parent_id text collate "C",
  kind text not null default 'object'
    constraint resources_kind_known check (kind in ('object', 'selection')),
  constraint resources_pkey primary key (namespace, resource_type, resource_id),
  -- checked when the statement ends, so that one statement may bring children before their parents
  constraint resources_parent_fkey foreign key (namespace, parent_type, parent_id)
    references resources (namespace, resource_type, resource_id),
  constraint resources_parent_whole check ((parent_type is null) = (parent_id is null))
);
comment on table resources is 'The catalogue: what a namespace knows of its resources. Locks do not depend on it in an open namespace.';
comment on column resources.namespace is 'The namespace that the resource is in.';
comment on column resources.resource_type is 'Type of the resource, compared byte for byte.';
comment on column resources.resource_id is 'Id of the resource, compared byte for byte.';
comment on column resources.parent_type is 'Type of the parent in the same namespace. Null: a root.';
comment on column resources.parent_id is 'Id of the parent in the same namespace. Null: a root.';
comment on column resources.kind is 'object, or selection: a choice of resources, listed in selection_elements.';

-- for the children of a resource, at every level of a subtree, and for the foreign key
create index resources_parent_idx on resources (namespace, parent_type, parent_id);

create table selection_elements (
  namespace text collate "C" not null,
  selection_type text collate "C" not null,
  selection_id text collate "C" not null,
  element_type text collate "C" not null
    constraint selection_elements_element_type_length check (octet_length(element_type) between 1 and 255),
  element_id text collate "C" not null
    constraint selection_elements_element_id_length check (octet_length(element_id) between 1 and 1024),
  position integer not null
    constraint selection_elements_position_positive check (position > 0),
  constraint selection_elements_pkey primary key (namespace, selection_type, selection_id, position),
  constraint selection_elements_selection_fkey foreign key (namespace, selection_type, selection_id)
    references resources (namespace, resource_type, resource_id) on delete cascade
);
comment on table selection_elements is 'The elements of selections. They need not be in the catalogue.';
comment on column selection_elements.namespace is 'The namespace of the selection and of its elements.';
comment on column selection_elements.selection_type is 'Type of the selection.';
comment on column selection_elements.selection_id is 'Id of the selection.';
comment on column selection_elements.element_type is 'Type of the element.';
comment on column selection_elements.element_id is 'Id of the element.';
comment on column selection_elements.position is 'Place of the element, from 1.';

-- Down Migration

drop table selection_elements;
drop table resources;
drop table namespaces;
