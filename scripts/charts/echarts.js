// SPDX-License-Identifier: Apache-2.0
// The parts of Apache ECharts that nibble's pages draw with; everything else is left out of the bundle.
import { init, use } from "echarts/core";
import { BarChart, CustomChart, LineChart, ScatterChart } from "echarts/charts";
import { GridComponent, LegendComponent, TooltipComponent } from "echarts/components";
import { CanvasRenderer, SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, LineChart, ScatterChart, GridComponent, LegendComponent, TooltipComponent, CanvasRenderer,
     SVGRenderer]);

export { init };
