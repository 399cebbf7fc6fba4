// What a dashboard may say, in Grafana's own types: those of @grafana/schema, with what panels of four kinds and
// Prometheus' queries add. board.schema.json was made of it, and a test holds the dashboard to that:
//
//   npm install typescript@5 ts-json-schema-generator@2.4.0 @grafana/schema@13.2.3
//   npx ts-json-schema-generator --path board.ts --type Board --no-type-check --strict-tuples --expose none \
//       --no-top-ref --jsDoc none --minify -o board.schema.json
//
// @grafana/schema is under the Apache License, Version 2.0.
import type {
  AnnotationQuery, Dashboard, DataQuery, FieldConfigSource, Panel, RowPanel,
} from '@grafana/schema';
import type * as Heatmap from './node_modules/@grafana/schema/dist/types/raw/composable/heatmap/panelcfg/x/types.gen';
import type * as Stat from './node_modules/@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/types.gen';
import type * as Timeline from './node_modules/@grafana/schema/dist/types/raw/composable/statetimeline/panelcfg/x/types.gen';
import type * as TimeSeries from './node_modules/@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/types.gen';

// As `Prometheus` and `PromQuery` of @grafana/prometheus 13.1.4, whose types cannot be read without @grafana/data.
interface Query extends DataQuery {
  editorMode?: 'builder' | 'code';
  exemplar?: boolean;
  expr: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  interval?: string;
  legendFormat?: string;
  range?: boolean;
}

type Kind<Type extends string, Options, Field> = Omit<Panel, 'type' | 'options' | 'fieldConfig' | 'targets'> & {
  type: Type;
  options?: Partial<Options>;
  fieldConfig?: Omit<FieldConfigSource, 'defaults'> & {
    defaults: Omit<FieldConfigSource['defaults'], 'custom'> & { custom?: Partial<Field> };
  };
  targets?: Query[];
};

export interface Board extends Omit<Dashboard, 'panels' | 'annotations'> {
  panels: Array<
    | (Omit<RowPanel, 'panels'> & { panels: [] })
    | Kind<'timeseries', TimeSeries.Options, TimeSeries.FieldConfig>
    | Kind<'stat', Stat.Options, {}>
    | Kind<'heatmap', Heatmap.Options, Heatmap.FieldConfig>
    | Kind<'state-timeline', Timeline.Options, Timeline.FieldConfig>
  >;
  annotations: { list: Array<Omit<AnnotationQuery, 'target'> & { target: Query; titleFormat?: string; textFormat?: string }> };
}
